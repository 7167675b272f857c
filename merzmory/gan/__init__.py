"""The sealed engine: StyleGAN2 with standard library, torch, numpy, pillow and safetensors only."""
