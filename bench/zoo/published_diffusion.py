"""A diffusion model of the user's, a folder of the library diffusers, behind the interface of the small one.

The folder is what the library's ``save_pretrained`` writes: ``model_index.json``, a denoiser in ``unet``, the noise in
``scheduler``, and, where codes are diffused, an autoencoder in ``vae`` or ``vqvae``. Without one, pictures are. A
denoiser that reads texts (Stable Diffusion) is given the empty one, by ``text_encoder`` and ``tokenizer`` of the same
folder and the library transformers. The networks and the variances of the noise are the libraries', the samplers are
ours. Both libraries are optional.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.context import MakerContext
from ..core.errors import InputError
from ..core.faces import resize
from ..core.nets.diffusion import TIMES, Diffusion, Guide, Model, Predict
from ..core.nets.latent_diffusion import CodedDiffusion
from ..core.weights import expand_path, file_sha256

_ROWS = 8  # pictures at a time: published models are large
_READ = (".json", ".safetensors", ".bin", ".txt")  # what weights, sizes and words stand in
_SAYS: dict[str, Predict] = {"epsilon": "noise", "v_prediction": "velocity"}
_PARTS: dict[str, tuple[str, ...]] = {  # the classes that a part may have; any, where it is not read or not asked
    "unet": ("UNet2DModel", "UNet2DConditionModel"), "vae": ("AutoencoderKL",), "vqvae": ("VQModel",), "scheduler": (),
    "text_encoder": ("CLIPTextModel",), "tokenizer": (), "safety_checker": (), "feature_extractor": (),
}  # fmt: skip
_UNSCALED = {"VQModel": 1.0, "AutoencoderKL": 0.18215}  # of codes, where the folder does not say; the papers' own


class PublishedDiffusion(CodedDiffusion):
    """Parts of a published model, put together.

    Args:
        unet: (noisy codes, times) -> an object whose ``sample`` is the noise or the velocity.
        coder: with ``encode``, ``decode`` and a ``config`` as the library's autoencoders; None: pictures are diffused.
        scale: codes are multiplied by it before they are diffused.
        share: (TIMES,) alpha_bar of the noise levels.
        predict: what the denoiser says.
        words: (1, n, d) the empty text for a denoiser that reads one, else None.
    """

    words: Tensor | None

    def __init__(
        self, unet: nn.Module, coder: nn.Module | None, scale: float, share: Tensor, predict: Predict,
        words: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes: Any = unet.config
        grid = sizes.sample_size if isinstance(sizes.sample_size, int) else sizes.sample_size[0]
        scales: Any = (0,) if coder is None else coder.config.block_out_channels  # type: ignore[union-attr]
        factor = 2 ** (len(scales) - 1)
        self.side, self.shape = grid * factor, (sizes.in_channels, grid, grid)
        self.unet, self.coder, self.scale, self.share, self.predict = unet, coder, scale, share, predict
        self.register_buffer("words", words)

    def process(self, levels: int) -> Diffusion:
        return Diffusion(self.share, self.predict, levels, 1.0 if self.coder is None else math.inf)

    def encode(self, images: Tensor) -> Tensor:
        x = 2 * resize(images, self.side) - 1
        if self.coder is None:
            return x
        said: Any = self.coder.encode(x)  # type: ignore[operator]
        return self.scale * (said.latents if hasattr(said, "latents") else said.latent_dist.mode())

    def decode(self, z: Tensor) -> Tensor:
        x = z if self.coder is None else self.coder.decode(z / self.scale).sample  # type: ignore[operator]
        return ((x + 1) / 2).clamp(0, 1)

    def free(self) -> Model:
        def model(noisy: Tensor, t: Tensor) -> Tensor:
            words = {} if self.words is None else {"encoder_hidden_states": self.words.expand(len(noisy), -1, -1)}
            said: Tensor = self.unet(noisy, t, **words).sample
            return said

        return model

    def redrawn(
        self, images: Tensor, noise: Tensor, process: Diffusion, strength: float, model: Model,
        guide: Guide | None = None,
    ) -> Tensor:  # fmt: skip
        parts = zip(images.split(_ROWS), noise.split(_ROWS), strict=True)
        return torch.cat(
            [super(PublishedDiffusion, self).redrawn(x, n, process, strength, model, guide) for x, n in parts]
        )


def published_diffusion(path: str, context: MakerContext) -> PublishedDiffusion:
    """The model in the folder at ``path``, frozen.

    Args:
        path: of the folder; ${VARIABLES} and ~ are replaced.
        context: of whoever asks; only its device is read.

    Raises:
        InputError: no such folder, a library is missing, or it holds a model of another kind.
    """
    folder = expand_path(path, "diffusion")
    index = folder / "model_index.json"
    if not index.is_file():
        raise InputError(f"diffusion: there is no {index}; give the folder of a model that diffusers has saved.")
    kinds = _kinds(index)
    coder_name = next((name for name in ("vae", "vqvae") if name in kinds), None)
    unet = _part(folder, "unet", "diffusers", kinds["unet"])
    _check(folder, unet, coded=coder_name is not None)
    coder, scale = None, 1.0
    if coder_name:
        kind = kinds[coder_name]
        coder = _part(folder, coder_name, "diffusers", kind)
        # As the file says: the library itself would fill in Stable Diffusion's number for any autoencoder.
        scale = (
            json.loads((folder / coder_name / "config.json").read_text(encoding="utf-8")).get("scaling_factor")
            or _UNSCALED[kind]
        )
    share, predict = _noise(folder)
    words = _empty_text(folder) if kinds["unet"] == "UNet2DConditionModel" else None
    model = PublishedDiffusion(unet, coder, scale, share, predict, words)
    return model.to(context.device).eval().requires_grad_(False)


def diffusion_digest(path: str) -> str:
    """sha256 over the files of the folder for a cell's hash, or the word ``missing``."""
    digest = hashlib.sha256()
    try:
        folder = expand_path(path, "diffusion")
        files = sorted(file for file in folder.rglob("*") if file.suffix in _READ)
        for file in files:
            digest.update(f"{file.relative_to(folder)} {file_sha256(file)}\n".encode())
    except (InputError, OSError):
        return "missing"
    return digest.hexdigest() if files else "missing"


def _kinds(index: Path) -> dict[str, str]:
    """The classes of the parts that a model is made of, by the parts' names."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))
        kinds = {name: kind[1] for name, kind in named.items() if isinstance(kind, list) and len(kind) == 2 and kind[1]}
    except (ValueError, AttributeError) as error:
        raise InputError(f"diffusion: {index} is no list of parts ({error}); copy the folder again.") from error
    fits = all(name in _PARTS and (not _PARTS[name] or kind in _PARTS[name]) for name, kind in kinds.items())
    if not fits or "unet" not in kinds:
        seen = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise InputError(
            "diffusion: a UNet2DModel or UNet2DConditionModel is needed, alone or with an AutoencoderKL or a VQModel, "
            f"and for texts a CLIPTextModel; {index} names {seen}."
        )
    return kinds


def _part(folder: Path, name: str, library: str, kind: str) -> Any:
    """One part of the model, with all of its weights; nothing is downloaded, and pickles are read for tensors only."""
    try:
        owner = importlib.import_module(library)
    except ImportError as error:
        raise InputError(
            f"diffusion = {folder} is read by the package {library}, which is not installed; `pip install {library}`, "
            "or leave diffusion empty."
        ) from error
    options = {"low_cpu_mem_usage": False} if library == "diffusers" else {}  # else the package accelerate is wanted
    try:
        model, report = getattr(owner, kind).from_pretrained(
            folder / name, local_files_only=True, output_loading_info=True, **options
        )
    except Exception as error:  # the libraries, torch and safetensors: no common base class
        raise _unreadable(folder / name, kind, error) from error
    if lacking := sorted(report["missing_keys"]):
        raise InputError(
            f"diffusion: {folder / name} lacks {len(lacking)} weights of its {kind} ({', '.join(lacking[:3])}); copy "
            "it again."
        )
    return model.float()


def _noise(folder: Path) -> tuple[Tensor, Predict]:
    """alpha_bar (TIMES,) and what the denoiser says; DDPM's scheduler reads what any of them has saved."""
    from diffusers import DDPMScheduler

    try:
        scheduler = DDPMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
    except Exception as error:
        raise _unreadable(folder / "scheduler", "DDPMScheduler", error) from error
    says = scheduler.config.prediction_type
    if says not in _SAYS or len(scheduler.alphas_cumprod) != TIMES:
        raise InputError(
            f"diffusion: {folder / 'scheduler'} has {len(scheduler.alphas_cumprod)} levels and prediction_type {says}; "
            f"{TIMES} levels and one of {', '.join(_SAYS)} are needed."
        )
    return scheduler.alphas_cumprod.double(), _SAYS[says]


def _empty_text(folder: Path) -> Tensor:
    """(1, n, d), what the text encoder makes of no words."""
    encoder = _part(folder, "text_encoder", "transformers", "CLIPTextModel")
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)  # nosec B615
        length = encoder.config.max_position_embeddings
        tokens = tokenizer(
            [""], padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
    except Exception as error:
        raise _unreadable(folder / "tokenizer", "CLIPTokenizer", error) from error
    with torch.no_grad():
        said: Tensor = encoder.eval()(tokens)[0]
    return said


def _check(folder: Path, unet: Any, *, coded: bool) -> None:
    """That a denoiser draws whole square pictures, or codes of them, and asks for no labels."""
    sizes = unet.config
    labels = [name for name in ("class_embed_type", "num_class_embeds", "addition_embed_type") if sizes.get(name)]
    side = sizes.sample_size
    square = side and (isinstance(side, int) or len(set(side)) == 1)
    if not square or labels or sizes.in_channels != sizes.out_channels or (not coded and sizes.in_channels != 3):
        raise InputError(
            f"diffusion: the denoiser of {folder} has {sizes.in_channels} channels in, {sizes.out_channels} out, "
            f"sample_size {side} and {', '.join(labels) or 'no labels'}; one is needed that draws whole square "
            "pictures or their codes, of a known size, without labels."
        )


def _unreadable(place: Path, kind: str, error: Exception) -> InputError:
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return InputError(f"diffusion: {place} cannot be read as a {kind} ({type(error).__name__}: {reason}).")
