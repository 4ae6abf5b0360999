"""The steps of `build`, one file each, in the order a recording passes them."""
