"""Images from arrays, files and folders as one array of bytes."""
