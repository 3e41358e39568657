"""What tests share: builders of images, real engines, terminals, and independent models."""
