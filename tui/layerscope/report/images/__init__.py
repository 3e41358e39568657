"""Reports about many images and the layers they share."""
