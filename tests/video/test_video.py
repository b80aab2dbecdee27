"""Footage, its index, its store, and windows of it as batches."""

import json
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest
from PIL import Image

from keras_anogan import build_detector
from keras_anogan.streams import BatchLoader, Feed
from keras_anogan.video import (
    ArrayRecording,
    Footage,
    SlidingWindowBatchGenerator,
    UniformBatchGenerator,
    VideoWindows,
    open_footage,
    opening,
    prepare,
    read_frames,
    scores_by_frame,
    split_footage,
    window_starts,
)
from keras_anogan.video.recordings import thinned


def numbered(n, first=0, shape=(4, 6, 1)):
    """Frames whose every pixel is the frame's number."""
    return np.broadcast_to(np.arange(first, first + n, dtype="uint8")[:, None, None, None], (n, *shape)).copy()


def write_frames(folder, frames, numbers=None):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in zip(numbers or range(1, len(frames) + 1), frames, strict=True):
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).save(folder / f"frame{number}.png")


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_windows_start_where_a_loop_over_frames_says(size, stride):
    draw = np.random.default_rng(size * 10 + stride)
    segments = np.repeat(draw.permutation(60) - 8, draw.integers(1, 15, 60))
    want, run = [], 0
    for i in range(len(segments)):
        run = 0 if i == 0 or segments[i] != segments[i - 1] else run + 1
        fits = i + size <= len(segments) and (segments[i : i + size] == segments[i]).all()
        want += [i] if fits and segments[i] >= 0 and run % stride == 0 else []
    assert window_starts(segments, size, stride).tolist() == want
    assert len(want) > 5


def test_no_window_crosses_a_day_a_file_a_gap_or_a_corrupt_frame():
    footage = Footage(
        [
            ArrayRecording(numbered(10), "a", "00", breaks=(4,)),
            ArrayRecording(numbered(5), "a", "01"),
            ArrayRecording(numbered(6), "b", "00", corrupt=(2,)),
        ]
    )
    assert footage.days == ("a", "b")
    assert window_starts(footage.segments, 3).tolist() == [0, 1, 4, 5, 6, 7, 10, 11, 12, 18]
    assert footage.where(18) == ("b", "00", 3)
    assert footage.day_of([0, 14, 15, 20]).tolist() == [0, 0, 1, 1]
    assert footage.skipped == 1
    assert footage.read([20, 0, 0, 9]).ravel()[:: 4 * 6].tolist() == [5, 0, 0, 9]


def test_a_missing_number_is_a_gap_and_a_broken_file_a_corrupt_frame(tmp_path):
    write_frames(tmp_path / "day" / "cam", numbered(9), numbers=[1, 2, 3, 5, 6, 7, 8, 9, 10])
    (tmp_path / "day" / "cam" / "frame7.png").write_bytes(b"not an image")
    footage = open_footage(tmp_path)
    assert footage.days == ("day",)
    assert footage.recordings[0].name == "cam"
    assert footage.frame_shape == (4, 6, 1)
    assert footage.recordings[0].breaks == (3,)
    assert footage.recordings[0].corrupt == (5,)
    assert window_starts(footage.segments, 3).tolist() == [0, 6]
    assert footage.read([8])[0, 0, 0, 0] == 8  # frame10.png comes after frame9.png


def test_frames_are_resized_made_grey_and_thinned(tmp_path):
    write_frames(tmp_path / "00", np.random.default_rng(0).integers(0, 256, (7, 8, 12, 3), dtype="uint8"))
    footage = open_footage([tmp_path / "00"], size=(4, 6), grey=True, every=2)
    assert (len(footage), footage.frame_shape) == (4, (4, 6, 1))
    assert open_footage(tmp_path / "00").frame_shape == (8, 12, 3)
    assert thinned({3, 4}, 7, 2) == (2,)  # frames 0 2 | 4 6: the gaps before 3 and 4 lie before the third


def test_a_picture_beside_the_days_is_no_day_and_an_empty_day_is_told_of(tmp_path):
    make_days(tmp_path / "days")
    write_frames(tmp_path / "days", numbered(1))
    with pytest.raises(ValueError, match="either recordings or folders of days"):
        open_footage(tmp_path / "days")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty. Received: none"):
        open_footage([tmp_path / "days" / "00", tmp_path / "empty"])
    prepare([tmp_path / "days" / "00"], tmp_path / "store")
    assert open_footage([tmp_path / "store", tmp_path / "days" / "01"]).days == ("00", "01")


def test_a_part_of_footage_stays_a_part():
    footage = open_footage({"a": numbered(30), "b": numbered(30)})
    keep = np.arange(60) % 30 < 15
    part = footage.masked(keep)
    assert window_starts(part.segments, 8).tolist() == [*range(8), *range(30, 38)]
    assert window_starts(part.of_days(["b"]).segments, 8).tolist() == list(range(8))
    assert (part.masked(np.arange(60) < 10).segments >= 0).sum() == 10
    windows = VideoWindows(part, days=["b"], sampling="sliding")
    assert len(windows.starts) == 8


@pytest.mark.parametrize(("days", "frames"), [(7, 20), (2, 200), (1, 60)])
def test_footage_is_split_over_the_whole_recording(days, frames):
    footage = open_footage({str(day): numbered(frames, shape=(1, 1, 1)) for day in range(days)})
    parts = split_footage(footage, sample_size=8)
    usable = np.stack([part.segments >= 0 for part in parts.values()])
    assert list(parts) == ["train", "stop", "calibrate"]
    assert (usable.sum(axis=0) == 1).all()  # every frame has one role
    shares = usable.mean(axis=1)
    assert shares[0] > 0.3
    assert shares[2] > 0.05
    places = np.flatnonzero(usable[2])
    assert places.min() < 0.6 * len(footage)  # not the last days alone
    for part in parts.values():
        assert len(window_starts(part.segments, 8)) > 0
    with pytest.raises(ValueError, match="to split"):
        split_footage(open_footage(numbered(20)), sample_size=8)


def test_arrays_dicts_and_npy_files_are_footage(tmp_path):
    assert open_footage(numbered(4)[..., 0]).frame_shape == (4, 6, 1)
    assert open_footage({"mon": numbered(4), "tue": numbered(3)}).days == ("mon", "tue")
    assert len(open_footage([numbered(4), numbered(3)])) == 7
    for day in ("00", "01"):
        (tmp_path / day).mkdir()
        np.save(tmp_path / day / "hour.npy", numbered(5))
    assert open_footage(tmp_path).days == ("00", "01")
    assert open_footage(tmp_path, size=(2, 3)).frame_shape == (2, 3, 1)
    assert open_footage(tmp_path).of_days(["01"]).days == ("01",)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: open_footage(p / "nothing"), "nothing is there"),
        (lambda p: open_footage(p), "Received: none"),
        (lambda p: open_footage(numbered(3).astype("float32")), "float32"),
        (lambda p: open_footage([numbered(3), numbered(3, shape=(5, 6, 1))]), "of one shape"),
        (lambda p: VideoWindows(numbered(5), sample_size=8), "5 frames without such a run"),
        (lambda p: VideoWindows(numbered(9), subsample_size=9), "9 and 8"),
        (lambda p: VideoWindows(numbered(9), sampling="random"), "'random'"),
        (lambda p: VideoWindows(numbered(9), days=["9"]), "'9'"),
        (lambda p: window_starts([0, 0], 0), "sample_size >= 1"),
        (lambda p: open_footage(numbered(3), every=0), "every=0"),
        (lambda p: open_footage(numbered(0)), "(0, 4, 6, 1)"),
    ],
)
def test_mistakes_get_a_sentence(make, words, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match="Expected") as caught:
        make(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# Video files.


def write_video(path, frames, rate=25, codec="mpeg4"):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate, stream.gop_size = "yuv420p", 4_000_000, 5
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def film(tmp_path):
    """20 frames of rising brightness in an .mp4 file."""
    frames = np.broadcast_to((10 * np.arange(20, dtype="uint8"))[:, None, None, None], (20, 32, 48, 3)).copy()
    (tmp_path / "raw" / "00").mkdir(parents=True)
    write_video(tmp_path / "raw" / "00" / "hour.mp4", frames)
    return tmp_path / "raw", frames


def test_any_frame_of_a_video_file_is_the_one_that_was_written(film):
    folder, frames = film
    footage = open_footage(folder)
    assert (len(footage), footage.frame_shape) == (20, (32, 48, 3))
    for places in ([0, 1, 2], [13], [19, 4, 4]):
        assert np.abs(footage.read(places).astype(int) - frames[places]).max() <= 4
    grey = open_footage(folder, size=(16, 24), grey=True, every=3)
    assert (len(grey), grey.frame_shape) == (7, (16, 24, 1))
    assert np.abs(grey.read([6]).astype(int) - frames[18][:16, :24, :1]).max() <= 4


@pytest.mark.parametrize("suffix", ["ts", "mpg", "avi", "mkv"])
def test_frames_of_any_container_are_found(suffix, tmp_path):
    frames = np.broadcast_to((2 * np.arange(120, dtype="uint8"))[:, None, None, None], (120, 32, 48, 3)).copy()
    write_video(tmp_path / f"film.{suffix}", frames, codec="mpeg2video" if suffix in ("ts", "mpg") else "mpeg4")
    footage = open_footage([tmp_path / f"film.{suffix}"])
    assert len(footage) == 120
    for places in ([0, 1, 119], [57], [100, 101]):
        assert np.abs(footage.read(places).astype(int) - frames[places]).max() <= 6


def test_reordered_frames_of_an_avi_file_are_all_found(tmp_path):
    """A bright bar moves by one column a frame; its edge says which frame it is."""
    av = pytest.importorskip("av")
    frames = np.full((90, 64, 128, 3), 30, "uint8")
    for i, frame in enumerate(frames):
        frame[:, i + 8 : i + 24] = 220
    with av.open(str(tmp_path / "film.avi"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    with av.open(str(tmp_path / "film.avi")) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times != sorted(times)  # or this file would test nothing
    edges = lambda found: (found[:, 32, :, 1] > 125).argmax(axis=1)  # noqa: E731
    store = prepare([tmp_path / "film.avi"], tmp_path / "store")
    assert (len(store), store.skipped) == (90, 0)
    assert edges(store.read(np.arange(90))).tolist() == list(range(8, 98))
    third = open_footage([tmp_path / "film.avi"], every=3)
    assert edges(third.read([1, 29])).tolist() == [11, 95]


def test_a_store_is_not_taken_for_one_of_other_footage(tmp_path):
    for shade in (10, 200):
        (tmp_path / f"{shade}" / "00").mkdir(parents=True)
        np.save(tmp_path / f"{shade}" / "00" / "camera.npy", np.full((9, 8, 8, 3), shade, "uint8"))
    prepare(tmp_path / "10", tmp_path / "store")
    assert prepare(tmp_path / "10", tmp_path / "store").read([0]).max() == 10
    with pytest.raises(ValueError, match="other footage"):
        prepare(tmp_path / "200", tmp_path / "store")


def test_arrays_that_are_no_frames_get_a_sentence(tmp_path):
    np.save(tmp_path / "two.npy", np.zeros((9, 8, 8, 2), "uint8"))
    with pytest.raises(ValueError, match=r"1 or 3 channels. Received: 2"):
        open_footage([tmp_path / "two.npy"])
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"broken.npy: it is no whole \.npy file"):
        open_footage([tmp_path / "broken.npy"])


def test_a_prepared_video_has_the_same_frames_in_a_store(film, tmp_path):
    folder, frames = film
    store = prepare(folder, tmp_path / "store", size=(16, 24))
    assert store.frame_shape == (16, 24, 3)
    assert np.abs(store.read(np.arange(20)).astype(int) - frames[:, :16, :24]).max() <= 4
    windows = VideoWindows(tmp_path / "store", sample_size=8, batch_size=2)
    assert windows[0].shape == (2, 8, 16, 24, 3)


def test_a_damaged_video_loses_frames_not_the_rest(film, tmp_path):
    folder, _ = film
    path = folder / "00" / "hour.mp4"
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    content[packets[7].pos : packets[7].pos + packets[7].size] = bytes(packets[7].size)
    path.write_bytes(content)
    news = []
    store = prepare(folder, tmp_path / "store", say=news.append)
    assert 1 <= store.skipped < 8
    assert "can't be read left out" in news[0]
    assert len(window_starts(store.segments, 6)) >= 2


def test_a_file_that_is_no_video_and_a_missing_library_get_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("av")
    (tmp_path / "a.mp4").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"Could not open the video .*a\.mp4"):
        open_footage([tmp_path / "a.mp4"])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"keras-anogan\[video\]"):
        open_footage([tmp_path / "a.mp4"])


# The store.


def make_days(folder, days=2, frames=12):
    for day in range(days):
        write_frames(folder / f"{day:02d}" / "cam0", numbered(frames, first=20 * day))
        write_frames(folder / f"{day:02d}" / "cam1", numbered(frames, first=100 + 20 * day))


def test_a_killed_preparation_goes_on_with_the_next_recording(tmp_path, monkeypatch):
    make_days(tmp_path / "raw")
    (tmp_path / "raw" / "01" / "cam0" / "frame4.png").write_bytes(b"broken")
    whole, written = opening.write_recording, []

    def dying(recording, target):
        if len(written) == 2:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f".partial-{target.stem}.frames").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(target)
        return whole(recording, target)

    monkeypatch.setattr(opening, "write_recording", dying)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "raw", tmp_path / "store")
    with pytest.raises(ValueError, match="Expected"):
        open_footage(tmp_path / "store")  # unfinished: no footage yet
    monkeypatch.setattr(opening, "write_recording", whole)
    news = []
    store = prepare(tmp_path / "raw", tmp_path / "store", say=news.append)
    assert "6 x 4 pixels show little" in news[0]
    assert [line.endswith("done before.") for line in news[1:]] == [True, True, False, False]
    raw = open_footage(tmp_path / "raw")
    good = np.flatnonzero(raw.segments >= 0)
    np.testing.assert_array_equal(store.segments, raw.segments)
    np.testing.assert_array_equal(store.read(good), raw.read(good))
    assert store.fingerprint == raw.fingerprint
    assert not list((tmp_path / "store").rglob("*partial*"))
    with pytest.raises(ValueError, match="prepared from other footage, or otherwise"):
        prepare(tmp_path / "raw", tmp_path / "store", size=(2, 3))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    with pytest.raises(ValueError, match="holds other files"):
        prepare(tmp_path / "raw", tmp_path / "full")


def test_a_damaged_store_gets_a_sentence(tmp_path):
    make_days(tmp_path / "raw", days=1)
    prepare(tmp_path / "raw", tmp_path / "store")
    frames = next((tmp_path / "store").rglob("*.frames"))
    frames.write_bytes(frames.read_bytes()[:-1])
    with pytest.raises(ValueError, match="prepare it again"):
        open_footage(tmp_path / "store")


# Windows.


def test_windows_are_pairs_of_floats_between_minus_one_and_one():
    frames = np.random.default_rng(0).integers(0, 256, (30, 4, 6, 3), dtype="uint8")
    frames[0, 0, 0], frames[1, 0, 0] = 0, 255
    windows = VideoWindows(frames, sample_size=8, subsample_size=7, batch_size=2, sampling="sliding")
    x, y = windows[0]
    assert (x.shape, y.shape, y.dtype) == ((2, 7, 4, 6, 3), (2, 8, 4, 6, 3), np.float32)
    np.testing.assert_array_equal(x, y[:, :7])
    np.testing.assert_allclose(y[1], frames[1:9] / 127.5 - 1.0, atol=1e-6)
    assert (y.min(), y.max()) == (-1.0, 1.0)
    assert len(windows.starts) == 23
    assert len(windows) == 12
    assert windows[11][0].shape[0] == 1


def test_uniform_batches_mix_the_hours_of_one_day_and_drop_nothing():
    days = [numbered(n, shape=(1, 1, 1)) for n in (61, 200, 9)]
    windows = VideoWindows(days, sample_size=4, batch_size=5, seed=3)
    counts = np.bincount(windows.footage.day_of(windows.starts))
    assert counts.tolist() == [15, 50, 2]
    batches = windows.order(0)
    assert len(batches) == len(windows) == 3 + 10 + 1
    assert {len(batch) for batch in batches} == {5}
    assert set(np.concatenate(batches)) == set(range(67))  # every window, at least once
    for batch in batches:
        day = np.unique(windows.day_numbers[batch])
        assert len(day) == 1
        if day[0] < 2:  # one from each fifth of the day
            place = (batch - np.flatnonzero(windows.day_numbers == day[0])[0]) * 5 // counts[day[0]]
            assert sorted(place) == [0, 1, 2, 3, 4]
    again = VideoWindows(days, sample_size=4, batch_size=5, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again.order(0), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(batches, windows.order(1), strict=True))


def test_the_frames_of_a_sliding_batch_are_read_once():
    class Counting(ArrayRecording):
        reads = 0

        def read(self, indices):
            Counting.reads += len(indices)
            return super().read(indices)

    windows = VideoWindows(Footage([Counting(numbered(40))]), sample_size=8, batch_size=16, sampling="sliding")
    assert windows[0].shape[0] == 16
    assert Counting.reads == 16 + 7


def test_the_dataset_gives_the_same_batches_epoch_by_epoch():
    windows = VideoWindows(numbered(100, shape=(2, 2, 1)), sample_size=4, subsample_size=3, batch_size=5, seed=1)
    dataset = windows.as_dataset()
    assert dataset.cardinality() == len(windows)
    for epoch in (0, 1):
        windows.epoch = epoch
        for i, (x, y) in enumerate(dataset):
            np.testing.assert_array_equal(y, windows[i][1])
            np.testing.assert_array_equal(x, windows[i][0])


def test_a_frame_that_can_not_be_read_ends_fit_with_its_own_sentence(tmp_path):
    write_frames(tmp_path / "day", numbered(40, shape=(32, 32, 1)))
    windows = VideoWindows(tmp_path, sample_size=8, batch_size=2)
    (tmp_path / "day" / "frame20.png").unlink()
    detector = build_detector("cvgan", (8, 32, 32, 1), filters=1)
    detector.compile()
    with pytest.raises(OSError, match=r"frame20\.png"):
        detector.fit(windows, verbose=0)


def test_steps_per_epoch_begin_each_epoch_anew():
    windows = VideoWindows(numbered(100, shape=(2, 2, 1)), sample_size=4, batch_size=5, seed=1)
    windows.epoch = 1
    found = [np.asarray(batch) for batch in windows.as_dataset(2)]
    assert len(found) == 2
    np.testing.assert_array_equal(found[1], windows[1])
    assert len(list(windows.as_dataset(7))) == 7


def test_a_users_keras_model_fits_windows_directly():
    windows = VideoWindows(numbered(60, shape=(2, 2, 1)), sample_size=4, subsample_size=4, batch_size=5)
    model = keras.Sequential([keras.Input((4, 2, 2, 1)), keras.layers.Dense(1)])
    model.compile("adam", "mae")
    assert len(model.fit(windows, epochs=2, verbose=0).history["loss"]) == 2
    assert windows.epoch >= 2  # Keras looks into it once more
    assert len(model.fit(windows.as_dataset(), epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(windows, verbose=0).shape == (5 * len(windows), 4, 2, 2, 1)


def test_scores_of_windows_become_scores_of_frames():
    footage = Footage([ArrayRecording(numbered(4), "a"), ArrayRecording(numbered(5), "b")])
    windows = VideoWindows(footage, sample_size=3, sampling="sliding")
    frames = scores_by_frame(windows, np.arange(5))
    np.testing.assert_array_equal(frames, [np.nan, np.nan, 0, 1, np.nan, np.nan, 2, 3, 4])
    np.testing.assert_array_equal(scores_by_frame(windows, np.arange(5), at=0)[:2], [0, 1])
    with pytest.raises(ValueError, match="Expected 5 scores"):
        scores_by_frame(windows, np.arange(4))


def test_the_generators_of_the_thesis_take_paths(tmp_path):
    make_days(tmp_path)
    paths = [f"{tmp_path}/{day}/" for day in ("00", "01")]
    uniform = UniformBatchGenerator(day_paths=paths, batch_size=2, sample_size=4, subsample_size=3)
    x, y = uniform[0]
    assert (x.shape, y.shape) == ((2, 3, 4, 6, 1), (2, 4, 4, 6, 1))
    assert len(uniform) == 6  # 2 days of 2 recordings of 3 windows
    sliding = SlidingWindowBatchGenerator(
        file_paths=[f"{tmp_path}/00/cam0"], batch_size=4, sample_size=4, subsample_size=3
    )
    assert len(sliding.starts) == 9
    assert (sliding[2][1].shape[0], len(sliding)) == (1, 3)


# Loading in the background.


class Numbers:
    def __init__(self, n, broken=None):
        self.n, self.broken = n, broken

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        time.sleep(0.02 * (index % 3 == 0))
        if index == self.broken:
            raise OSError(f"batch {index} is lost")
        return index


def test_the_loader_gives_every_batch_in_order_and_stops():
    loader = BatchLoader(Numbers(20), max_queue_size=3, no_workers=4)
    assert len(loader) == 20
    assert [loader.get_batch() for _ in range(20)] == list(range(20))
    with pytest.raises(StopIteration):
        loader.get_batch()
    loader.shutdown_workers()


def test_a_dead_worker_raises_instead_of_hanging():
    with BatchLoader(Numbers(9, broken=4), max_queue_size=3, no_workers=2) as loader:
        assert [loader.get_batch() for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(OSError, match="batch 4 is lost"):
            loader.get_batch()
        assert [loader.get_batch() for _ in range(4)] == [5, 6, 7, 8]
        with pytest.raises(StopIteration):
            loader.get_batch()


def test_the_loader_keeps_its_bound_from_the_first_batch_on(monkeypatch):
    class Large(Numbers):
        made = 0

        def __getitem__(self, index):
            self.made += 1
            return np.zeros(100, "uint8")

    monkeypatch.setattr("keras_anogan.streams.AHEAD_BYTES", 500)  # five batches
    large = Large(60)
    with BatchLoader(large, max_queue_size=50, no_workers=2) as loader:
        time.sleep(0.2)
        assert large.made <= 2  # their size is not known yet
        loader.get_batch()
        time.sleep(0.2)
        assert large.made == 6


def test_a_stalled_source_times_out_with_a_sentence():
    def stalling():
        yield 1
        time.sleep(5)

    got = []
    with pytest.raises(TimeoutError, match=r"within 0\.2 s.*stalled"):
        got.extend(iter(Feed(stalling(), timeout=0.2)))


def test_a_feed_drops_the_oldest_or_lets_the_source_wait():
    assert list(Feed(range(50), max_queue=2)) == list(range(50))
    feed = Feed(range(50), max_queue=4, drop=True)
    items = iter(feed)
    first = next(items)
    time.sleep(0.5)
    rest = list(items)
    assert rest[-1] == 49
    assert len(rest) <= 5
    assert feed.dropped == 50 - 1 - len(rest), f"the first one read was {first}"
    with pytest.raises(OSError, match="gone"):
        list(Feed(_failing()))


def _failing():
    yield 1
    raise OSError("the camera is gone")


def test_frames_of_a_folder_come_in_order_with_jumps_at_gaps(tmp_path):
    write_frames(tmp_path / "day", numbered(5), numbers=[1, 2, 3, 5, 6])
    (tmp_path / "day" / "frame2.png").write_bytes(b"broken")
    frames = list(read_frames(str(tmp_path)))
    assert [frame.index for frame in frames] == [0, 1, 2, 4, 5]
    assert [frame.image is None for frame in frames] == [False, True, False, False, False]
    assert frames[1].problem == "can't be decoded"


def test_a_million_frames_stream_in_bounded_memory(tmp_path):
    day = tmp_path / "store" / "00"
    day.mkdir(parents=True)
    shape = (1_000_000, 32, 64, 3)
    with open(day / "cam.frames", "wb") as file:
        file.truncate(int(np.prod(shape)))  # sparse: 6.1 GB that take no room
    facts = {"frames": shape[0], "frame_shape": shape[1:], "breaks": [], "corrupt": []}
    (day / "cam.json").write_text(json.dumps(facts))
    store = {"version": 1, "frame_shape": shape[1:], "every": 1, "recordings": [["00", "cam", shape[0]]]}
    (tmp_path / "store" / "footage.json").write_text(json.dumps(store))
    script = textwrap.dedent("""
        import sys
        from keras_anogan.video import VideoWindows
        def anonymous():
            lines = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
        for sampling in ("uniform", "sliding"):
            windows = VideoWindows(sys.argv[1], subsample_size=7, batch_size=32, sampling=sampling)
            for i in range(5):
                windows[i]
            before = anonymous()
            for i in range(5, 150):
                windows[i * len(windows) // 150]
            print(len(windows.starts), before, anonymous())
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (uniform, _, _), (sliding, _, last) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert (uniform, sliding) == (125_000, 999_993)
    for line in done.stdout.splitlines():
        _, before, after = map(float, line.split())
        assert after - before < 60, f"memory grew from {before} to {after} MiB"
    assert last < 1536
