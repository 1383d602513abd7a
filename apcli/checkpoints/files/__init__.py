"""The bytes of a checkpoint: tensors in files, files with an index, and how both are written whole or not at all."""
