"""Networks give the same numbers on every runtime, whatever the batch, and come back from the cache whole."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import opsin
from opsin.host import network_files, runtime
from opsin.host.networks import Networks
from opsin.host.runtime import Precision, Runtime, compile_network

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

KEY = "small convolution, seed 3"


def small() -> Any:
    """Return a convolution with attention over its cells: uint8 (n, 32, 32, 3) to unit rows (n, 24)."""
    import torch
    from torch import nn

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 24, 8, stride=8)
            self.attention = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True, dropout=0.0)

        def forward(self, pictures: Any) -> Any:
            x = self.stem(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).flatten(2).transpose(1, 2)
            return nn.functional.normalize(self.attention(x).mean(1), dim=-1)

    torch.manual_seed(3)
    return Small().eval()


def tokens() -> Any:
    """Return a mean of embeddings that ignores zeros: int64 (n, length) to (n, 8)."""
    import torch
    from torch import nn

    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(50, 8)

        def forward(self, ids: Any, mask: Any) -> Any:
            weights = mask.unsqueeze(-1).float()
            return (self.table(ids) * weights).sum(1) / weights.sum(1)

    torch.manual_seed(4)
    return Bag().eval()


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def must_not_build() -> Any:
    pytest.fail("the network was built although it is in the cache")


def compiled(
    cache: Path,
    runtime: Runtime = "openvino",
    precision: Precision = "f32",
    build: Any = small,
    networks: Networks | None = None,
) -> Any:
    return compile_network(
        build,
        (pictures(2),),
        key=KEY,
        precision=precision,
        cache=cache,
        threads=2,
        runtime=runtime,
        networks=networks,
    )


def reference(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return np.asarray(small()(torch.from_numpy(images)).numpy())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ir")


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_a_network_gives_the_numbers_of_plain_torch(cache: Path, runtime: Runtime) -> None:
    network = compiled(cache, runtime)
    (answer,) = network(pictures(5))
    assert answer.dtype == np.float32
    assert np.abs(answer - reference(pictures(5))).max() < 1e-5
    assert network.runtime.startswith(runtime)
    assert network.runtime.endswith("f32")


@pytest.mark.parametrize(("runtime", "precision"), [("openvino", "auto"), ("torch", "bf16")])
def test_bfloat16_stays_near_float32_and_is_named_only_where_it_is_used(
    cache: Path, runtime: Runtime, precision: Precision
) -> None:
    network = compiled(cache, runtime, precision)
    (answer,) = network(pictures(6))
    exact = reference(pictures(6))
    assert (np.sum(answer * exact, axis=1) / np.linalg.norm(answer, axis=1)).min() > 0.999
    assert (np.abs(answer - exact).max() > 1e-5) == network.runtime.endswith("bf16")


@pytest.mark.parametrize(("runtime", "precision"), [("openvino", "auto"), ("openvino", "f32"), ("torch", "f32")])
def test_a_picture_gets_the_same_vector_alone_and_in_any_batch(
    cache: Path, runtime: Runtime, precision: Precision
) -> None:
    network = compiled(cache, runtime, precision)
    images = pictures(75)
    alone = np.concatenate([network(images[i : i + 1])[0] for i in range(len(images))])
    for size in (2, 3, 7, 31, 75):
        assert np.abs(network(images[:size])[0] - alone[:size]).max() < 1e-3


def test_no_pictures_give_no_rows(cache: Path) -> None:
    assert compiled(cache)(pictures(0))[0].shape == (0, 24)


def test_token_ids_may_have_any_length(tmp_path: Path) -> None:
    ids = np.array([[4, 5, 0], [6, 7, 8]], np.int64)
    example = (ids, (ids > 0).astype(np.int64))
    ours = compile_network(tokens, example, key="bag", cache=tmp_path, threads=1, runtime="openvino", precision="f32")
    plain = compile_network(tokens, example, key="bag", cache=tmp_path, threads=1, runtime="torch", precision="f32")
    for shape in ((1, 1), (3, 9), (40, 17)):
        batch = np.random.default_rng(1).integers(1, 50, shape)
        mask = np.ones_like(batch)
        mask[:, shape[1] // 2 + 1 :] = 0
        assert np.abs(ours(batch, mask)[0] - plain(batch, mask)[0]).max() < 1e-6


def test_a_cached_network_is_not_built_again(cache: Path) -> None:
    before = compiled(cache)(pictures(3))[0]
    again = compiled(cache, build=must_not_build)(pictures(3))[0]
    assert np.array_equal(before, again)


def test_a_cached_network_runs_without_importing_torch(cache: Path) -> None:
    compiled(cache)
    code = f"""
        import sys
        from pathlib import Path
        import numpy as np
        from opsin.host.runtime import compile_network
        example = (np.zeros((2, 32, 32, 3), np.uint8),)
        network = compile_network(None, example, key={KEY!r}, cache=Path({str(cache)!r}), runtime="openvino")
        assert network(example[0])[0].shape == (2, 24)
        print(*(name for name in ("torch", "timm", "torchvision", "open_clip") if name in sys.modules))
        print(sys.modules["openvino_telemetry"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["", "None"]


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "manifest.json"])
@pytest.mark.parametrize("harm", ["truncated", "flipped", "missing"])
def test_a_damaged_cache_entry_is_made_again(tmp_path: Path, name: str, harm: str) -> None:
    whole = compiled(tmp_path)(pictures(2))[0]
    (file,) = tmp_path.glob(f"ir-*/{name}")
    data = bytearray(file.read_bytes())
    if harm == "missing":
        file.unlink()
    elif harm == "truncated":
        file.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0x10
        file.write_bytes(data)
    assert np.array_equal(compiled(tmp_path)(pictures(2))[0], whole)
    assert np.array_equal(compiled(tmp_path, build=must_not_build)(pictures(2))[0], whole)


def test_hosts_that_share_a_network_use_it_at_once_and_it_ends_with_the_last(tmp_path: Path) -> None:
    networks = Networks()
    one, two = compiled(tmp_path, networks=networks), compiled(tmp_path, networks=networks)
    images = [pictures(count) for count in (3, 7)]
    right = [compiled(tmp_path)(each)[0] for each in images]
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(network, images[place]) for _ in range(8) for place, network in enumerate((one, two))]
        for number, answer in enumerate(asked):
            assert np.array_equal(answer.result()[0], right[number % 2])

    class Made:
        pass

    made = networks.get("it", Made)
    assert networks.get("it", must_not_build) is made
    held = weakref.ref(made)
    del made
    gc.collect()
    assert held() is None


def test_a_library_opened_beside_another_shares_its_networks(make_library: MakeLibrary) -> None:
    one = make_library("one", vocabularies=())
    make_library("two", vocabularies=()).close()
    with opsin.open(one.path.with_name("two"), beside=one) as two, opsin.open(two.path, readonly=True) as alone:
        assert two._workspace.networks is one._workspace.networks
        assert alone._workspace.networks is not one._workspace.networks


def test_nothing_is_left_beside_the_cache_entries(tmp_path: Path) -> None:
    compiled(tmp_path)
    assert [path.name[:3] for path in tmp_path.iterdir()] == ["ir-"]


def test_a_process_killed_while_it_writes_leaves_no_half_entry(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        import numpy as np
        from opsin.host import network_files, runtime
        from tests.runtime.test_runtime_networks import small
        digest = network_files._sha256
        def die(path):
            os.kill(os.getpid(), signal.SIGKILL)
        network_files._sha256 = die
        example = (np.zeros((2, 32, 32, 3), np.uint8),)
        runtime.compile_network(small, example, key={KEY!r}, cache=Path({str(tmp_path)!r}), runtime="openvino")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=root, check=False)
    assert done.returncode == -9
    assert list(tmp_path.glob("ir-*")) == []
    assert compiled(tmp_path)(pictures(2))[0].shape == (2, 24)


def test_a_network_that_another_process_wrote_meanwhile_stays_for_those_who_read_it(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    (folder,) = tmp_path.iterdir()
    before = folder.stat().st_ino
    ov = runtime._openvino()
    example = (np.zeros((2, 32, 32, 3), np.uint8),)
    network_files.write(ov, runtime._convert(ov, small, example), folder, f"{runtime.FORMAT}|{ov.__version__}|{KEY}")
    assert [each.stat().st_ino for each in tmp_path.iterdir()] == [before]
    assert first(pictures(2))[0].shape == (2, 24)


def test_processes_that_compile_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        import numpy as np
        from opsin.host.runtime import compile_network
        from tests.runtime.test_runtime_networks import small
        example = (np.zeros((2, 32, 32, 3), np.uint8),)
        network = compile_network(small, example, key={KEY!r}, cache=Path({str(tmp_path)!r}), runtime="openvino")
        print(network(example[0])[0].shape)
    """
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(code)]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == ["(2, 24)\n"] * 2
    assert [path.name[:3] for path in tmp_path.iterdir()] == ["ir-"]
