"""Every key, and the bindings made from them."""
