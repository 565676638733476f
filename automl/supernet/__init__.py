"""Weight sharing: one network holds the weights of all architectures of a space, and proposes some of them.

What it proposes is trained and compared like everything else: genotypes become the first configurations of an ordinary
search. `search` is the door for arrays of images, `phase` for a search with a time limit.
"""
