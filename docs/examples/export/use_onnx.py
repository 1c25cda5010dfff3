# Draws 16 pictures with onnxruntime: pip install onnxruntime numpy
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
facts = session.get_modelmeta().custom_metadata_map  # latent_dim, latent_distribution, num_classes, ...
random = np.random.default_rng(0)
draw = {"normal": random.standard_normal, "uniform": lambda size: random.uniform(-1, 1, size)}
inputs = {"z": draw[facts["latent_distribution"]](size=(16, int(facts["latent_dim"]))).astype(np.float32)}
if classes := int(facts["num_classes"]):
    inputs["labels"] = np.arange(16) % classes
images = session.run(["images"], inputs)[0]  # float32 N x C x H x W, -1..1
np.save("images.npy", ((images + 1) * 127.5).round().clip(0, 255).astype(np.uint8))
print(f"images.npy: {len(images)} pictures, uint8 N x C x H x W")
