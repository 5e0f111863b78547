"""The one-layer transformer on pattern prompts, without its columns: coordinates, kernels, gradients by hand."""
