"""What one picture becomes: upright sRGB frames of the size asked for, or a refusal that says why."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from opsin import View, apply_view
from opsin.errors import LimitExceeded, UnreadablePicture
from opsin.intake.decode import Decoder
from opsin.intake.decoded import Decoded
from opsin.settings import DecodeSettings

if TYPE_CHECKING:
    from tests import odd_pictures as make
else:
    import odd_pictures as make


def decode(decoder: Decoder, data: bytes) -> Decoded:
    return decoder.submit(data).result(timeout=120)


def difference(decoded: Decoded, wanted: Image.Image) -> float:
    """Mean difference of the first frame from ``wanted``, both brought to 16 x 16."""
    got = Image.fromarray(decoded.frames[0].pixels).resize((16, 16), Image.Resampling.BOX)
    want = wanted.convert("RGB").resize((16, 16), Image.Resampling.BOX)
    return float(np.abs(np.asarray(got, float) - np.asarray(want, float)).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF"])
def test_each_format_comes_out_as_the_picture_that_went_in(decoder: Decoder, kind: str) -> None:
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    decoded = decode(decoder, make.encode(make.photo(), kind))
    assert (decoded.width, decoded.height) == (320, 240)
    assert (decoded.format, decoded.frame_count, decoded.transparent) == (kind.lower(), 1, False)
    assert difference(decoded, make.photo()) < 6
    assert decoded.frames[0].view(View(72, 64)).shape == (64, 64, 3)


def modes() -> dict[str, tuple[bytes, Image.Image]]:
    base = make.photo()
    grey = base.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    fractions = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    return {
        "greyscale": (make.encode(grey, "JPEG"), grey),
        "CMYK JPEG": (make.encode(base.convert("CMYK"), "JPEG"), base),
        "CMYK TIFF": (make.encode(base.convert("CMYK"), "TIFF"), base),
        "16-bit PNG": (make.encode(deep, "PNG"), grey),
        "16-bit TIFF": (make.encode(deep, "TIFF"), grey),
        "floating point TIFF": (make.encode(fractions, "TIFF"), grey),
        "palette": (make.encode(base.quantize(256), "PNG"), base),
        "one bit": (make.encode(grey.convert("1"), "PNG"), grey.convert("1")),
        "grey and alpha": (make.encode(grey.convert("LA"), "PNG"), grey),
        "Lab TIFF": (make.encode(to_lab(base), "TIFF"), base),
    }


def to_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(image)


@pytest.mark.parametrize("name", list(modes()))
def test_every_pixel_format_becomes_rgb(decoder: Decoder, name: str) -> None:
    data, wanted = modes()[name]
    assert difference(decode(decoder, data), wanted) < 8


def test_transparent_parts_are_laid_on_white(decoder: Decoder) -> None:
    image = Image.new("RGBA", (100, 80), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 50, 80))
    decoded = decode(decoder, make.encode(image, "PNG"))
    assert decoded.transparent
    assert decoded.frames[0].pixels[40, 10].tolist() == [0, 0, 200]
    assert decoded.frames[0].pixels[40, 90].tolist() == [255, 255, 255]


def test_a_colour_profile_is_applied(decoder: Decoder) -> None:
    # In this profile red and blue change places, so that applying it can be seen.
    base = make.photo()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = bytearray(profile.replace(b"sRGB", b"swap"))
    count = int.from_bytes(swapped[128:132], "big")
    tags = {bytes(swapped[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    wide = "".join("\0" + letter for letter in "sRGB").encode(), "".join("\0" + letter for letter in "swap").encode()
    data = make.encode(base, "PNG", icc_profile=bytes(swapped).replace(*wide))
    channels = base.split()
    assert difference(decode(decoder, data), Image.merge("RGB", channels[::-1])) < 8


def test_a_broken_colour_profile_is_ignored(decoder: Decoder) -> None:
    data = make.encode(make.photo(), "PNG", icc_profile=b"\0" * 16 + b"RGB " + b"nonsense" * 40)
    assert difference(decode(decoder, data), make.photo()) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_shows_the_same_picture(decoder: Decoder, orientation: int) -> None:
    decoded = decode(decoder, make.with_orientation(make.photo(), orientation))
    assert (decoded.width, decoded.height, decoded.orientation) == (320, 240, orientation)
    assert difference(decoded, make.photo()) < 3
    view = decoded.frames[0].view(View(72, 64)).astype(float)
    upright = decode(decoder, make.with_orientation(make.photo(), 1)).frames[0].view(View(72, 64)).astype(float)
    assert np.abs(view - upright).mean() < 2


def test_when_a_picture_was_taken_is_read_from_exif(decoder: Decoder) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2031:01:01 00:00:00"
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9011] = "2024:05:06 07:08:09", "+02:00"
    assert decode(decoder, make.encode(make.photo(), "JPEG", exif=exif)).taken_at == "2024-05-06T07:08:09+02:00"
    assert decode(decoder, make.encode(make.photo(), "JPEG")).taken_at is None
    broken = Image.Exif()
    broken[0x0132] = "yesterday"
    assert decode(decoder, make.encode(make.photo(), "JPEG", exif=broken)).taken_at is None


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_sixteen_frames_are_spread_over_the_length_of_an_animation(decoder: Decoder, kind: str) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(decoder, make.animation(kind, make.colours(40), **options))
    assert decoded.frame_count == 40
    numbers = [frame.number for frame in decoded.frames]
    assert numbers == [0, 3, 5, 8, 10, 13, 16, 18, 21, 23, 26, 29, 31, 34, 36, 39]
    assert all(frame.total == 40 for frame in decoded.frames)
    for frame in decoded.frames:
        assert abs(int(frame.pixels[20, 20, 0]) - frame.number * 6) <= 5


def test_a_short_animation_is_seen_whole(decoder: Decoder) -> None:
    assert [frame.number for frame in decode(decoder, make.animation("GIF", make.colours(3))).frames] == [0, 1, 2]


def test_frames_that_an_animation_only_claims_are_not_looked_for(decoder: Decoder) -> None:
    decoded = decode(decoder, make.lying_apng(0x7FFFFFFF))
    assert (decoded.frame_count, len(decoded.frames)) == (1, 1)


def test_an_animation_that_breaks_off_keeps_its_good_frames(decoder: Decoder) -> None:
    data = make.animation("GIF", make.colours(10))
    decoded = decode(decoder, data[: len(data) * 2 // 3])
    assert 1 <= len(decoded.frames) < 10
    with pytest.raises(UnreadablePicture):
        decode(decoder, data[:60])


def test_a_multi_picture_jpeg_is_its_first_picture(decoder: Decoder) -> None:
    data = make.encode(make.photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (320, 240))])
    decoded = decode(decoder, data)
    assert (decoded.format, decoded.frame_count) == ("jpeg", 1)
    assert difference(decoded, make.photo()) < 6


def test_a_large_jpeg_comes_reduced_but_never_below_the_shorter_side_asked_for() -> None:
    with Decoder(DecodeSettings(workers=1), min_side=100) as decoder:
        decoded = decode(decoder, make.encode(make.photo(3000, 2001), "JPEG"))
        small = decode(decoder, make.encode(make.photo(90, 60), "JPEG"))
    assert (decoded.width, decoded.height) == (3000, 2001)
    assert (decoded.frames[0].width, decoded.frames[0].height) == (3000, 2001)
    assert 100 <= min(decoded.frames[0].pixels.shape[:2]) < 300
    assert small.frames[0].pixels.shape == (60, 90, 3)


def reference_view(image: Image.Image, view: View) -> NDArray[np.int64]:
    """torchvision's Resize(int) and CenterCrop(int) on a PIL image."""
    width, height = image.size
    short, long = min(image.size), max(image.size)
    longer = int(view.resize * long / short)
    image = image.resize((view.resize, longer) if width <= height else (longer, view.resize), Image.Resampling.BICUBIC)
    left, top = round((image.width - view.crop) / 2), round((image.height - view.crop) / 2)
    return np.asarray(image.crop((left, top, left + view.crop, top + view.crop))).astype(np.int64)


@pytest.mark.parametrize(
    "size", [(640, 480), (480, 640), (500, 375), (333, 500), (297, 297), (301, 299), (100, 80), (1200, 300)]
)
def test_a_view_has_torchvisions_geometry(size: tuple[int, int]) -> None:
    view = View(297, 260)
    noisy = np.random.default_rng(0).integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    image = Image.fromarray(noisy).resize(size, Image.Resampling.BICUBIC)
    with Decoder(DecodeSettings(workers=1), min_side=1, views=[view]) as decoder:
        got = decode(decoder, make.encode(image, "PNG")).frames[0].view(view).astype(np.int64)
    off = np.abs(got - reference_view(image, view))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.001


def test_a_view_larger_than_the_picture_is_filled_as_torchvision_does() -> None:
    white = np.full((50, 64, 3), 255, np.uint8)
    seen = apply_view(white, View(50, 61))[:, 30, 0]
    assert seen.tolist() == [0] * 5 + [255] * 50 + [0] * 6


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(2411, 1609), (2405, 3201)])
def test_a_view_of_a_reduced_decode_is_not_shifted(size: tuple[int, int], orientation: int) -> None:
    view = View(297, 260)
    noisy = np.random.default_rng(1).integers(0, 256, (size[1] // 24, size[0] // 24, 3), dtype=np.uint8)
    data = make.with_orientation(Image.fromarray(noisy).resize(size, Image.Resampling.BICUBIC), orientation)
    with Decoder(DecodeSettings(workers=1), min_side=1, views=[view]) as decoder:
        got = decode(decoder, data).frames[0].view(view).astype(np.int64)
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}.get(orientation)
    wanted = reference_view(whole if back is None else whole.transpose(back), view)
    psnr = 10 * np.log10(255**2 / np.mean((got - wanted) ** 2))
    # A shift by one pixel of the view is below 30 dB.
    assert psnr > 40


def test_a_strip_of_pixels_does_not_need_a_huge_intermediate_picture(decoder: Decoder) -> None:
    decoded = decode(decoder, make.encode(Image.new("RGB", (1, 60_000), (10, 20, 30)), "PNG"))
    assert decoded.frames[0].view(View(72, 64))[5, 5].tolist() == [10, 20, 30]


def test_too_many_bytes_pixels_frames_and_scans_are_refused_with_the_name_of_the_limit() -> None:

    settings = DecodeSettings(
        workers=1, max_bytes=200_000, max_pixels=1_000_000, max_total_pixels=100_000, max_scans=100
    )
    with Decoder(settings, min_side=64) as decoder:
        for data, limit in (
            (b"\xff\xd8\xff" + b"\0" * 200_000, "decode.max_bytes"),
            (make.png_header(100_000, 100_000), "decode.max_pixels"),
            (make.png_header(1, 2_147_483_647), "decode.max_pixels"),
            (make.jpeg_with_size(13_377, 13_377), "decode.max_pixels"),
            (make.animation("GIF", make.colours(40)), "decode.max_total_pixels"),
            (make.jpeg_with_scans(200), "decode.max_scans"),
        ):
            with pytest.raises(LimitExceeded, match=limit) as caught:
                decode(decoder, data)
            assert caught.value.limit == limit


def test_a_picture_that_takes_too_much_memory_is_refused_and_the_next_one_is_not() -> None:
    settings = DecodeSettings(workers=1, max_memory=48 * 1024 * 1024)
    with Decoder(settings, min_side=64) as decoder:
        large = decoder.submit(make.encode(Image.new("RGB", (6000, 5000)), "PNG"))
        small = decoder.submit(make.encode(make.photo(), "PNG"))
        with pytest.raises(LimitExceeded, match=r"decode\.max_memory"):
            large.result(timeout=60)
        assert small.result(timeout=60).width == 320


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
def test_a_picture_that_is_cut_short_is_refused_in_plain_words(decoder: Decoder, kind: str) -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8))
    data = make.encode(noisy, kind)
    for tenths in (3, 5, 9):
        with pytest.raises(
            UnreadablePicture, match=rf"^The {kind} is cut short, .*: get it anew .*\.$|^The WebP is cut"
        ):
            decode(decoder, data[: len(data) * tenths // 10])


def test_a_picture_that_is_whole_and_broken_is_not_held_for_cut_short(decoder: Decoder) -> None:
    avif, png = make.encode(make.photo(), "AVIF"), make.encode(make.photo(), "PNG")
    middle = len(avif) // 2
    for data in (avif[: middle - 40] + bytes(80) + avif[middle + 40 :], png[:24] + b"\x63" + png[25:]):
        with pytest.raises(UnreadablePicture, match=r"is broken.*save it anew"):
            decode(decoder, data)


def test_a_small_file_whose_header_asks_for_much_memory_is_refused() -> None:
    data = make.jpeg_with_size(9000, 9000, progressive=True)
    assert len(data) < 10_000
    with Decoder(DecodeSettings(workers=1, max_memory=128 * 1024 * 1024), min_side=64) as decoder:
        with pytest.raises((UnreadablePicture, LimitExceeded)):
            decode(decoder, data)
        assert decode(decoder, make.encode(make.photo(), "JPEG")).width == 320


def test_the_decoding_process_loads_neither_numpy_nor_a_model_library() -> None:
    code = "import opsin.intake.worker, sys; print([m for m in ('numpy', 'torch', 'faiss', 'httpx', 'obstore', 'pillow_heif') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_all_sample_orientations_show_the_same_picture(decoder: Decoder, shared_data: Path) -> None:
    pictures = [decode(decoder, path.read_bytes()) for path in sorted((shared_data / "exif_orientation").glob("*.jpg"))]
    first = Image.fromarray(pictures[0].frames[0].pixels)
    assert len(pictures) == 9
    for picture in pictures:
        assert (picture.width, picture.height) == (pictures[0].width, pictures[0].height)
        assert difference(picture, first) < 2
