# Draws 16 pictures with what torch.export saved: pip install torch numpy
import json

import numpy as np
import torch

extra = {"facts.json": ""}
generator = torch.export.load("generator.pt2", extra_files=extra).module()
facts = json.loads(extra["facts.json"])  # latent_dim, latent_distribution, num_classes, value_range, ...
z = torch.randn(16, facts["latent_dim"])
if facts["latent_distribution"] == "uniform":
    z = torch.rand(16, facts["latent_dim"]) * 2 - 1
labels = (torch.arange(16) % facts["num_classes"],) if facts["num_classes"] else ()
images = generator(z, *labels).detach()  # float32 N x C x H x W, -1..1
np.save("images.npy", ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())
print(f"images.npy: {len(images)} pictures, uint8 N x C x H x W")
