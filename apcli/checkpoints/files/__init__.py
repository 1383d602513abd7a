"""The bytes of a checkpoint: tensors in files, indexes of sharded files, and atomic writing."""
