# Draws 16 pictures from the weights and the generator.py beside them: pip install torch safetensors numpy
import numpy as np
import torch
from generator import FACTS, generator
from safetensors.torch import load_file

z = torch.randn(16, FACTS["latent_dim"])
if FACTS["latent_distribution"] == "uniform":
    z = torch.rand(16, FACTS["latent_dim"]) * 2 - 1
labels = (torch.arange(16) % FACTS["num_classes"],) if FACTS["num_classes"] else ()
images = generator(load_file("generator.safetensors"), z, *labels)  # float32 N x C x H x W, -1..1
np.save("images.npy", ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())
print(f"images.npy: {len(images)} pictures, uint8 N x C x H x W")
