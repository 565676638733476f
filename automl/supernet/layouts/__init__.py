"""How the supernet of a family of genotypes is laid out, one family a file."""
