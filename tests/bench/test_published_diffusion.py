"""Diffusion models of the user's: put together as their library does, and refused where they do not fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from faceleak.bench.core.errors import InputError
from faceleak.bench.core.nets.diffusion import alpha_bar
from faceleak.bench.core.registry import ATTACKS
from faceleak.bench.core.surfaces import Surface
from faceleak.bench.metrics.quality import psnr
from faceleak.bench.zoo.published_diffusion import PublishedDiffusion, published_diffusion
from generators import Harm
from systems import ToySystem, small
from torch import Tensor, nn

SOME = torch.arange(0, 90, 9)
SHARE = alpha_bar("linear")


class OneFace(nn.Module):
    """A denoiser that has seen one code only: whatever it is shown, the rest is noise."""

    def __init__(self, code: Tensor, *, says: str = "noise") -> None:
        super().__init__()
        self.code, self.says = code, says
        self.config = SimpleNamespace(sample_size=code.shape[-1], in_channels=code.shape[0])

    def forward(self, noisy: Tensor, t: Tensor) -> SimpleNamespace:
        alpha, sigma = (x[t].float()[:, None, None, None] for x in (SHARE.sqrt(), (1 - SHARE).sqrt()))
        noise = (noisy - alpha * self.code) / sigma
        return SimpleNamespace(sample=noise if self.says == "noise" else alpha * noise - sigma * self.code)


class Pooled(nn.Module):
    """An autoencoder that codes 2 x 2 pixels by their mean, three times as large."""

    config = SimpleNamespace(block_out_channels=(8, 8))

    def encode(self, x: Tensor) -> SimpleNamespace:
        code = 3 * torch.nn.functional.avg_pool2d(x, 2)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: code))

    def decode(self, z: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.nn.functional.interpolate(z / 3, scale_factor=2))


def faces() -> Tensor:
    return ToySystem("none").victims.resized(SOME, 32)


@pytest.mark.parametrize("says", ["noise", "velocity"])
@pytest.mark.parametrize("coded", [False, True])
def test_what_is_drawn_is_what_the_denoiser_knows(coded: bool, says: Any) -> None:
    known = faces()[0]
    coder = Pooled() if coded else None
    code = 0.25 * coder.encode(2 * known[None] - 1).latent_dist.mode()[0] if coder else 2 * known - 1
    model = PublishedDiffusion(OneFace(code, says=says), coder, 0.25 if coder else 1.0, SHARE, says)
    assert (model.side, model.shape) == (32, (3, 16, 16) if coded else (3, 32, 32))
    noise = torch.randn(len(SOME), *model.shape, generator=torch.Generator().manual_seed(0))
    drawn = model.redrawn(faces(), noise, model.process(20), 0.5, model.free())
    wanted = model.decode(model.encode(known[None]))
    assert drawn.shape == (len(SOME), 3, 32, 32)
    assert torch.allclose(drawn, wanted.expand(len(SOME), -1, -1, -1), atol=1e-3)
    assert float(psnr(wanted, known[None])) > (20 if coded else 80)


def test_the_noise_is_that_of_the_model() -> None:
    model = PublishedDiffusion(OneFace(torch.zeros(3, 8, 8)), None, 1.0, SHARE, "noise")
    process, t = model.process(10), torch.tensor([0, 500, 999])
    x = torch.ones(3, 3, 8, 8)
    assert torch.allclose(process.noised(x, torch.zeros_like(x), t)[:, 0, 0, 0].double(), SHARE[t].sqrt(), atol=1e-6)
    assert process.bound == 1


# What follows needs the library, and makes folders as it does.

NARROW = {"block_out_channels": (8, 8), "norm_num_groups": 4, "layers_per_block": 1}
PLAIN = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}


def library() -> Any:
    return pytest.importorskip("diffusers")


def folder_of(place: Path, scheduler: dict[str, Any] | None = None, **parts: Any) -> Path:
    """A folder of the library: its parts, and the list of them."""
    place.mkdir()
    noise = library().DDIMScheduler(**(scheduler or {}))
    for name, part in {"scheduler": noise, **parts}.items():
        part.save_pretrained(place / name)
    kinds = {name: [type(part).__module__.partition(".")[0], type(part).__name__] for name, part in parts.items()}
    (place / "model_index.json").write_text(json.dumps({"_class_name": "Pipeline", **kinds}))
    return place


def denoiser(channels: int, **settings: Any) -> Any:
    torch.manual_seed(0)
    kind = "UNet2DConditionModel" if "cross_attention_dim" in settings else "UNet2DModel"
    shape = {"sample_size": 16, "in_channels": channels, "out_channels": channels}
    return getattr(library(), kind)(**NARROW | PLAIN | shape | settings)


def autoencoder(kind: str, **settings: Any) -> Any:
    torch.manual_seed(1)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return getattr(library(), kind)(**NARROW | blocks | {"latent_channels": 3} | settings)


def read(place: Path) -> PublishedDiffusion:
    return published_diffusion(str(place), ToySystem("none").context(ATTACKS.get("grey").threat))


@torch.no_grad()
def test_a_model_of_codes_is_the_library_s(tmp_path: Path) -> None:
    unet, vae = denoiser(3), autoencoder("AutoencoderKL", scaling_factor=0.5)
    noise = {"beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear", "clip_sample": False}
    model = read(folder_of(tmp_path / "model", noise, unet=unet, vae=vae))
    x = faces()[:2]
    codes = model.encode(x)
    assert torch.allclose(codes, 0.5 * vae.encode(2 * x - 1).latent_dist.mode(), atol=1e-5)
    assert torch.allclose(model.decode(codes), (vae.decode(2 * codes).sample / 2 + 0.5).clamp(0, 1), atol=1e-5)
    t, fresh = torch.tensor([300, 300]), torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    scheduler = library().DDIMScheduler(**noise)
    scheduler.set_timesteps(10)
    noisy, process = scheduler.add_noise(codes, fresh, t), model.process(10)
    assert torch.allclose(process.noised(codes, fresh, t), noisy, atol=1e-5)
    said = model.free()(noisy, t)
    assert torch.allclose(said, unet(noisy, t).sample, atol=1e-5)
    guess = scheduler.step(said, 300, noisy).pred_original_sample
    assert torch.allclose(process.picture(said, noisy, t), guess, atol=1e-4)


@pytest.mark.parametrize(("says", "predict"), [("epsilon", "noise"), ("v_prediction", "velocity")])
def test_models_of_pixels_and_of_other_codes_are_taken(says: str, predict: str, tmp_path: Path) -> None:
    pixels = read(folder_of(tmp_path / "pixels", {"prediction_type": says}, unet=denoiser(3)))
    assert (pixels.side, pixels.shape, pixels.predict, pixels.coder) == (16, (3, 16, 16), predict, None)
    place = folder_of(tmp_path / "vq", unet=denoiser(3), vqvae=autoencoder("VQModel", num_vq_embeddings=16))
    config = json.loads((place / "vqvae" / "config.json").read_text())
    del config["scaling_factor"]  # as in the folders of latent diffusion's own models
    (place / "vqvae" / "config.json").write_text(json.dumps(config))
    assert (read(place).side, read(place).scale) == (32, 1)


@torch.no_grad()
def test_a_model_of_texts_is_given_none(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    attention = {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    attention |= {"up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
    unet = denoiser(3, cross_attention_dim=12, attention_head_dim=4, **attention)
    sizes = {"hidden_size": 12, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(**sizes, vocab_size=3, max_position_embeddings=7, eos_token_id=1)
    ).eval()
    place = folder_of(tmp_path / "model", unet=unet, vae=autoencoder("AutoencoderKL"), text_encoder=encoder)
    (place / "tokenizer").mkdir()
    (place / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    (place / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    model = read(place)
    nothing = encoder(torch.tensor([[0, 1, 1, 1, 1, 1, 1]]))[0]
    noisy, t = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 900])
    wanted = unet(noisy, t, encoder_hidden_states=nothing.expand(2, -1, -1)).sample
    assert torch.allclose(model.free()(noisy, t), wanted, atol=1e-5)


def test_purification_takes_a_folder(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "model", unet=denoiser(3), vae=autoencoder("AutoencoderKL"))
    context = ToySystem("none").context(ATTACKS.get("purification").threat, Surface.IMAGE)
    settings = {"method": "diffuse", "diffusion": str(place), "level_steps": 4}
    attack = ATTACKS.get("purification")(small("purification") | settings)
    before = attack.describe()
    found = attack.fit(context).recover(faces()[:, :, ::2, ::2], SOME, context).images
    assert found is not None
    assert found.shape == (len(SOME), 3, 16, 16), "drawn at 32 pixels, and no larger than what came"
    assert torch.allclose(found[2:3], attack.recover(faces()[2:3, :, ::2, ::2], SOME[2:3], context).images, atol=1e-4)
    autoencoder("AutoencoderKL", scaling_factor=0.3).save_pretrained(place / "vae")
    assert attack.describe() != before, "other weights at the same path are another cell"


def lose(part: str) -> Callable[[Path], None]:
    def harm(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        file = place / part / "diffusion_pytorch_model.safetensors"
        state = load_file(file)
        del state[next(iter(state))]
        save_file(state, file)

    return harm


def change(part: str, **values: Any) -> Callable[[Path], None]:
    def harm(place: Path) -> None:
        file = next((place / part).glob("*config.json"))
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return harm


def pickled(place: Path) -> None:
    (place / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"conv_in.bias": Harm(place / "it ran")}, place / "unet" / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lose("unet"), "unet lacks 1 weights of its UNet2DModel"),
        (lambda place: (place / "vae" / "config.json").unlink(), "vae cannot be read as a AutoencoderKL"),
        (
            change("scheduler", prediction_type="sample"),
            "prediction_type sample; 1000 levels and one of epsilon, v_pred",
        ),
        (change("scheduler", num_train_timesteps=100), "has 100 levels"),
        (change("unet", sample_size=None), "sample_size None"),
        (lambda place: denoiser(3, num_class_embeds=4).save_pretrained(place / "unet"), "num_class_embeds"),
        (lambda place: denoiser(3, out_channels=6).save_pretrained(place / "unet"), "3 channels in, 6 out"),
        (pickled, "unet cannot be read as a UNet2DModel"),
    ],
    ids=["weights", "autoencoder", "prediction", "levels", "size", "labels", "variances", "a pickle"],
)
def test_damaged_and_other_models_are_refused(harm: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    place = folder_of(tmp_path / "model", unet=denoiser(3), vae=autoencoder("AutoencoderKL"))
    harm(place)
    with pytest.raises(InputError, match=message):
        read(place)
    assert not (place / "it ran").exists()


def test_without_the_library_or_the_folder_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(InputError, match=r"there is no .*model_index\.json; give the folder"):
        read(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text("{")
    with pytest.raises(InputError, match="is no list of parts"):
        read(tmp_path)
    index.write_text(json.dumps({"unet": ["diffusers", "UNet2DModel"], "vae": ["diffusers", "AutoencoderTiny"]}))
    with pytest.raises(InputError, match="names unet: UNet2DModel, vae: AutoencoderTiny"):
        read(tmp_path)
    index.write_text(json.dumps({"unet": ["diffusers", "UNet2DModel"], "autoencoder": ["mine", "Coder"]}))
    with pytest.raises(InputError, match="names unet: UNet2DModel, autoencoder: Coder"):
        read(tmp_path)
    index.write_text(json.dumps({"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]}))
    with pytest.raises(InputError, match="the package diffusers, which is not installed; `pip install diffusers`"):
        read(tmp_path)
