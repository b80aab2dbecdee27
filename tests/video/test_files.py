"""Video files as a player shows them, their times, and what a store keeps of both."""

import fractions
import itertools
import struct

import numpy as np
import pytest
from PIL import Image

from keras_anogan.files import read_json, write_json
from keras_anogan.video import VideoFile, VideoWindows, open_footage, prepare, read_frames
from keras_anogan.video.files import without_password, write_video
from keras_anogan.video.opening import size_remarks

av = pytest.importorskip("av")
SIDES = 64, 96
TURNS = [
    m for m in itertools.product((-1, 0, 1), repeat=4) if sum(map(abs, m)) == 2 == 2 * abs(m[0] * m[3] - m[1] * m[2])
]


def film(path, times, pixels=None, aspect=None):
    """Frames at these milliseconds."""
    step = fractions.Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *SIDES, "yuv420p", 4_000_000
        stream.codec_context.time_base = step
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for time in times:
            frame = np.zeros((*SIDES, 3), "uint8") if pixels is None else pixels
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, step
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def turned(path, a, b, c, d):
    """Write the matrix of a player into an .mp4 file."""

    def matrix(*numbers):
        return struct.pack(">9i", *(n << 16 for n in numbers[:8]), 1 << 30)

    content = path.read_bytes()
    straight = matrix(1, 0, 0, 0, 1, 0, 0, 0, 1)
    place = content.index(straight, content.index(b"tkhd"))
    path.write_bytes(content[:place] + matrix(a, b, 0, c, d, 0, 0, 0, 1) + content[place + 36 :])


def corners(frame):
    """Brightness by place, as (x, y) from the middle."""
    height, width = frame.shape[:2]
    return {
        (x, y): int(frame[height * (2 + y) // 4, width * (2 + x) // 4, 0])
        for x, y in itertools.product((-1, 1), repeat=2)
    }


@pytest.mark.parametrize(("a", "b", "c", "d"), TURNS)
def test_a_video_is_turned_as_its_file_says(a, b, c, d, tmp_path):
    pixels = np.zeros((*SIDES, 3), "uint8")
    pixels[:32, :48], pixels[:32, 48:], pixels[32:, :48], pixels[32:, 48:] = 40, 100, 160, 220
    path = film(tmp_path / "film.mp4", range(0, 400, 40), pixels)
    turned(path, a, b, c, d)
    want = {(a * x + c * y, b * x + d * y): shade for (x, y), shade in corners(pixels).items()}
    shape = (96, 64, 3) if b else (64, 96, 3)
    footage = open_footage(path)
    assert footage.frame_shape == shape
    assert footage.recordings[0].source_size == shape[:2]
    store = prepare(path, tmp_path / "store", size=(shape[0] // 2, shape[1] // 2))
    streamed = next(read_frames(path)).image
    for frame in (footage.read([3])[0], store.read([3])[0], streamed, footage.recordings[0].original().read([3])[0]):
        assert frame.shape[0] / frame.shape[1] == shape[0] / shape[1]
        assert all(abs(corners(frame)[place] - shade) < 12 for place, shade in want.items())
    assert len(TURNS) == 8


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    film(tmp_path / "film.mp4", range(0, 400, 40), aspect=fractions.Fraction(4, 3))
    assert open_footage(tmp_path / "film.mp4").frame_shape == (64, 128, 3)
    assert size_remarks(open_footage(tmp_path / "film.mp4", size=(32, 64))) == ()


def test_no_window_crosses_a_hole_in_the_times_of_a_video(tmp_path):
    path = film(tmp_path / "film.mp4", [40 * k + 60_000 * (k >= 20) for k in range(40)])
    for source in (path, prepare(path, tmp_path / "store")):
        starts = VideoWindows(source, 8, sampling="sliding").starts
        assert starts.tolist() == [*range(13), *range(20, 33)]
    assert [frame.index for frame in read_frames(path)] == [*range(20), *range(21, 41)]
    assert VideoFile(path, every=3).breaks == (7,)  # frames 18 | 21
    steady = film(tmp_path / "steady.mp4", [40 * k if k < 30 else 1200 + 300 * (k - 30) for k in range(60)])
    assert len(VideoWindows(steady, 8, sampling="sliding").starts) == 53


def test_footage_knows_the_time_of_each_frame_where_its_files_do(tmp_path):
    path = film(tmp_path / "film.mp4", [5000 + 40 * k for k in range(20)])
    np.testing.assert_allclose(open_footage(path).seconds, 0.04 * np.arange(20), atol=1e-3)
    store = prepare(path, tmp_path / "store", every=5)
    np.testing.assert_allclose(store.seconds, [0.0, 0.2, 0.4, 0.6], atol=1e-3)
    assert [round(frame.seconds, 2) for frame in read_frames(tmp_path / "store")] == [0.0, 0.2, 0.4, 0.6]
    assert next(read_frames(path)).recording == "film/film"
    np.save(tmp_path / "hour.npy", np.zeros((20, *SIDES, 3), "uint8"))
    both = open_footage([path, tmp_path / "hour.npy"])
    assert np.isnan(both.seconds).tolist() == [False] * 20 + [True] * 20
    assert next(read_frames(tmp_path / "hour.npy")).seconds is None


def test_a_store_of_before_has_no_times_and_is_not_gone_on_with(tmp_path):
    path = film(tmp_path / "film.mp4", range(0, 400, 40))
    prepare(path, tmp_path / "store")
    for file, old in (("film/film.json", ("seconds", "source_size")), ("footage.json", ())):
        content = read_json(tmp_path / "store" / file)
        content = {key: value for key, value in content.items() if key not in old}
        write_json(tmp_path / "store" / file, content | ({} if old else {"version": 1}))
    store = open_footage(tmp_path / "store")
    assert np.isnan(store.seconds).all()
    assert store.recordings[0].source_size == SIDES
    with pytest.raises(ValueError, match="prepared by an earlier version"):
        prepare(path, tmp_path / "store")


def test_a_size_that_says_less_than_it_seems_is_remarked_on(tmp_path):
    path = film(tmp_path / "film.mp4", range(0, 400, 40))
    news = []
    prepare(path, tmp_path / "wide", size=(32, 96), say=news.append)
    assert "changes by 100%; --size 96x64 would keep it." in news[0]
    for size, words in (((16, 24), "show little"), ((128, 192), "enlarged from 96 x 64 to 192 x 128")):
        (remark,) = size_remarks(open_footage(path, size=size))
        assert words in remark
    for size in (None, (32, 48), (32, 52)):
        assert size_remarks(open_footage(path, size=size)) == ()


def test_a_store_in_the_data_is_refused(tmp_path):
    (tmp_path / "days").mkdir()
    film(tmp_path / "days" / "film.mp4", range(0, 400, 40))
    for out in (tmp_path / "days", tmp_path / "days" / "store"):
        with pytest.raises(ValueError, match="store outside the data"):
            prepare(tmp_path / "days", out)
    with pytest.raises(ValueError, match="store outside the data"):
        prepare([tmp_path / "days"], tmp_path / "days" / "store")
    assert [path.name for path in (tmp_path / "days").iterdir()] == ["film.mp4"]


def test_photographs_are_no_footage(tmp_path):
    def photographs(folder, names, sides):
        folder.mkdir(parents=True)
        for name, (height, width) in zip(names, sides, strict=True):
            Image.fromarray(np.zeros((height, width, 3), "uint8")).save(folder / name)

    photographs(tmp_path / "names", ["cat.png", "dog.png"], [(8, 8)] * 2)
    photographs(tmp_path / "sizes", [f"{i}.png" for i in range(12)], [(8, 8), (8, 12), (12, 8)] * 4)
    photographs(tmp_path / "parts" / "test" / "good", ["000.png"], [(8, 8)])
    for name, words in (("names", "cat.png, which has no number"), ("sizes", "3 sizes"), ("parts", "test/good")):
        with pytest.raises(ValueError, match="photographs") as caught:
            open_footage(tmp_path / name, size=(32, 32))
        assert words in str(caught.value)


def test_a_film_may_have_any_rate(tmp_path):
    for rate in (4, 29.97):
        write_video(tmp_path / "film.mp4", np.zeros((12, 64, 96, 3), "uint8"), rate=rate)
        assert open_footage(tmp_path / "film.mp4").seconds[-1] == pytest.approx(11 / rate, abs=1e-3)


def test_passwords_are_not_printed():
    assert without_password("rtsp://root:secret@camera:554/live") == "rtsp://camera:554/live"
    assert without_password("http://camera/live?at=a@b") == "http://camera/live?at=a@b"
    with pytest.raises(ValueError, match=r"the video rtsp://127.0.0.1:1/none: "):
        next(read_frames("rtsp://root:secret@127.0.0.1:1/none"))
