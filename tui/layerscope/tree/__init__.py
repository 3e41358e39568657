"""The merged tree: nodes, versions, and the view after each layer."""
