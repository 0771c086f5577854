"""What compiled kernels run on: machine code loading, the thread driver, memory."""
