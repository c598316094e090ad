"""Evidence bundles: whatever is changed afterwards is named, and so is each break in the chain."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from hil.catalogue import requirements
from hil.errors import InputError
from hil.release import bundle as bundles
from hil.release import dsse, manifest
from hil.release.verify import Report, verify
from hil.report.run_folder import RunRecord
from tests.release.runs import result, run_folder
from tests.whole.running import hil, hil_run

WHEN = datetime(2026, 11, 25, tzinfo=UTC)
CONTROLS = [
    {"case": "A-1", "defect": "version", "outcome": "failed", "reason": "it was taken", "held": True},
    {"case": "A-2", "defect": "hash", "outcome": "passed", "reason": "", "held": False},
]


def _keys(folder: Path, private: Any = None) -> tuple[Path, Path]:
    private = private or ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    secret, public = folder / "key.pem", folder / "pub.pem"
    secret.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return secret, public


def _bundle(folder: Path, name: str = "run", previous: Path | None = None, **run: Any) -> Path:
    results = [result("A-1"), result("A-2"), result("B-1", "skipped", evidence_for=["BRIEF-battery"])]
    made = run_folder(folder, name, results, **run)
    (made / "cases" / "A-1").mkdir()
    (made / "cases" / "A-1" / "serial.log").write_text("hello\n")
    return bundles.make(
        bundles.Asked(
            record=RunRecord.load(made),
            out=folder / f"{name}-evidence",
            signer=dsse.load_signer(_keys(folder)[0]),
            catalogue=requirements.load(),
            firmware=lambda: {},
            previous=previous,
            when=WHEN,
        )
    )


def _verify(bundle: Path, *earlier: Path, **more: Any) -> Report:
    return verify(bundle, dsse.load_public(_keys(bundle.parent)[1]), earlier=earlier, **more)


def _broken(report: Report) -> set[str]:
    return {note.subject for note in report.notes if note.level == "broken"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle that is copied, never changed."""
    return _bundle(tmp_path_factory.mktemp("evidence"), controls=CONTROLS)


def test_a_sound_bundle_verifies_and_says_that_nothing_anchors_it(whole: Path) -> None:
    report = _verify(whole)
    assert report.verified
    [warning] = [note for note in report.notes if note.level == "warning"]
    assert "whoever holds the key can rewrite the whole chain" in warning.text


def test_the_same_input_gives_the_same_bundle(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = _bundle(tmp_path / "a"), _bundle(tmp_path / "b")
    assert manifest.listed(first) == manifest.listed(second)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_change_of_every_file_is_named(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    copy = tmp_path / "copy" / whole.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(whole, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    kind = data.draw(st.sampled_from(["flip", "insert", "cut", "remove", "add", "rename", "swap"]))
    named = path.relative_to(copy).as_posix()
    if kind == "flip":
        at = data.draw(st.integers(0, len(content) - 1))
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x20]) + content[at + 1 :])
    elif kind == "insert":
        at = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:at] + data.draw(st.sampled_from([b"x", b" ", b"\n", b"\0"])) + content[at:])
    elif kind == "cut":
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    elif kind == "remove":
        path.unlink()
    elif kind == "add":
        path.with_name("another").write_text("x")
        named = path.with_name("another").relative_to(copy).as_posix()
    elif kind == "rename":
        path.rename(path.with_name("renamed"))
    else:
        other = data.draw(st.sampled_from(files))
        if other.read_bytes() == content:
            return
        other_content = other.read_bytes()
        other.write_bytes(content)
        path.write_bytes(other_content)
    try:
        report = (
            _verify(copy)
            if (copy.parent / "pub.pem").exists()
            else verify(copy, dsse.load_public(whole.parent / "pub.pem"))
        )
    except InputError as error:
        assert manifest.ENVELOPE in str(error) or "not an evidence bundle" in str(error)
        return
    assert not report.verified
    assert named in _broken(report) or (named == manifest.ENVELOPE and _broken(report))


def test_a_link_is_refused(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / whole.name
    shutil.copytree(whole, copy)
    (copy / "run" / "rig.json").unlink()
    (copy / "run" / "rig.json").symlink_to(whole / "run" / "rig.json")
    assert not verify(copy, dsse.load_public(whole.parent / "pub.pem")).verified


def test_another_key_is_told(whole: Path, tmp_path: Path) -> None:
    _, other = _keys(tmp_path, ed25519.Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    report = verify(whole, dsse.load_public(other))
    assert not report.verified
    assert any("is signed by another key" in note.text for note in report.notes)
    assert not verify(whole, None).verified


def test_a_bundle_signed_anew_by_the_same_key_with_other_results_disagrees_with_its_statement(
    tmp_path: Path,
) -> None:
    made = _bundle(tmp_path)
    results = made / "run" / "results.jsonl"
    results.write_text(results.read_text().replace('"skipped"', '"passed"'))
    body = json.loads((made / manifest.MANIFEST).read_text())
    body["files"] = manifest.listed(made)
    payload = manifest.encoded(body)
    (made / manifest.MANIFEST).write_bytes(payload)
    signer = dsse.load_signer(tmp_path / "key.pem")
    (made / manifest.ENVELOPE).write_bytes(dsse.seal(payload, dsse.MANIFEST_TYPE, signer))
    report = _verify(made)
    assert [note.text for note in report.notes if note.level == "broken"] == [
        "its result is not that of results.jsonl"
    ]


def test_the_chain_is_followed_and_each_break_named(tmp_path: Path) -> None:
    first = _bundle(tmp_path, "run1")
    second = _bundle(tmp_path, "run2", first)
    third = _bundle(tmp_path, "run3", second)
    assert _verify(third, first, second).verified
    assert any("2 bundles before" in note.text for note in _verify(third, second, first).notes)
    assert any("was not looked at" in note.text for note in _verify(third).notes)
    missing = _verify(third, first)
    assert any("follows run2, which is missing" in note.text for note in missing.notes)
    shutil.rmtree(second)
    replaced = bundles.make(
        bundles.Asked(
            record=RunRecord.load(tmp_path / "run2"),
            out=second,
            signer=dsse.load_signer(tmp_path / "key.pem"),
            catalogue=requirements.load(),
            firmware=lambda: {},
            previous=first,
            when=datetime(2026, 11, 26, tzinfo=UTC),
        )
    )
    report = _verify(third, first, replaced)
    assert any("was changed or replaced" in note.text for note in report.notes if note.level == "broken")
    stray = _bundle(tmp_path, "run9")
    assert any("no part of this chain" in note.text for note in _verify(second, first, stray).notes)


def test_a_changed_file_in_an_earlier_bundle_is_named(tmp_path: Path) -> None:
    first = _bundle(tmp_path, "run1")
    second = _bundle(tmp_path, "run2", first)
    (first / "run" / "rig.json").write_text("{} ")
    assert f"{first.name}/run/rig.json" in _broken(_verify(second, first))


def test_a_published_head_anchors(whole: Path) -> None:
    assert all(note.level == "holds" for note in _verify(whole, published=bundles.head(whole)).notes)
    assert "head" in _broken(_verify(whole, published="0" * 64))


def test_controls_and_bench_kinds_stand_beside_each_requirement(whole: Path) -> None:
    told = json.loads((whole / "requirements.json").read_text())
    by_id = {each["id"]: each for each in told["requirements"]}
    assert by_id["CRA-I.2.c"]["state"] == {"virtual": "held", "real": "none", "replayed": "none"}
    assert by_id["CRA-I.2.c"]["control"] == "void: A-2"
    assert by_id["BRIEF-battery"]["control"] == "no control"
    assert by_id["BRIEF-battery"]["state"]["virtual"] == "open"
    text = (whole / manifest.MANIFEST).read_text() + json.dumps(told)
    assert "vidence towards" in text
    assert "compliant" not in text.lower()


def test_bills_of_materials_name_what_was_tested(whole: Path) -> None:
    firmware = json.loads((whole / "sbom" / "firmware.cdx.json").read_text())
    assert firmware["specVersion"] == "1.6"
    hashes = {each["hashes"][0]["content"] for each in firmware["components"] if "hashes" in each}
    assert hashes == {"a" * 64, "b" * 64}
    framework = json.loads((whole / "sbom" / "framework.cdx.json").read_text())
    assert "bumble" in {each["name"].lower() for each in framework["components"]}


def test_the_envelope_is_encoded_as_the_specification_says() -> None:
    # github.com/secure-systems-lab/dsse, protocol.md, "Test vectors".
    assert Envelope(b"hello world", "http://example.com/HelloWorld", {}).pae() == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_both_kinds_of_key_sign(tmp_path: Path, kind: str) -> None:
    private = ec.derive_private_key(7, ec.SECP256R1()) if kind == "p256" else None
    secret, public = _keys(tmp_path, private)
    sealed = dsse.seal(b"x", "t", dsse.load_signer(secret))
    assert dsse.unseal(sealed, "t", "here", dsse.load_public(public)) == (b"x", None)
    with pytest.raises(InputError, match="is a private key"):
        dsse.load_public(secret)


def test_other_keys_are_refused_in_one_line(tmp_path: Path) -> None:
    secret, public = _keys(tmp_path, rsa.generate_private_key(65537, 2048))
    for load, path in ((dsse.load_signer, secret), (dsse.load_public, public)):
        with pytest.raises(InputError, match="expected an Ed25519 or P-256 key"):
            load(path)  # type: ignore[operator]
    (tmp_path / "nonsense").write_text("x")
    with pytest.raises(InputError, match="not a private key"):
        dsse.load_signer(tmp_path / "nonsense")


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed: it plays the authority"
)
def test_a_time_stamp_token_anchors_and_one_for_another_bundle_does_not(tmp_path: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "tsa.cnf").write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:true\n"
        "keyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"
        "[leaf]\nbasicConstraints=CA:false\nextendedKeyUsage=critical,timeStamping\n"
        "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\ncrypto_device=builtin\nsigner_cert=leaf.pem\n"
        "signer_key=leaf.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4\n"
        "digests=sha256,sha512\naccuracy=secs:1\nordering=yes\ntsa_name=no\ness_cert_id_chain=no\n"
        "ess_cert_id_alg=sha256\n"
    )
    (tmp_path / "serial").write_text("01")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "tsa.cnf")
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        "root.key",
        "-out",
        "root.pem",
        "-subj",
        "/CN=root",
        "-extensions",
        "root",
    )
    openssl("req", "-new", *curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=authority")
    openssl(
        *("x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"),
        *("-out", "leaf.pem", "-extfile", "tsa.cnf", "-extensions", "leaf", "-days", "30"),
    )
    made = _bundle(tmp_path)
    asked = hil(tmp_path, "evidence", str(made), "--tsa-request", "q.tsq")
    assert (asked.code, asked.err) == (0, "")
    openssl("ts", "-reply", "-config", "tsa.cnf", "-section", "t", "-queryfile", "q.tsq", "-out", "a.tsr")
    bundles.attach(made, tmp_path / "a.tsr")
    report = _verify(made, authority=tmp_path / "root.pem")
    assert all(note.level == "holds" for note in report.notes), report.notes
    other = _bundle(tmp_path, "other", started="2026-11-24T00:00:00+00:00")
    bundles.attach(other, tmp_path / "a.tsr")
    assert "time-stamp" in _broken(_verify(other, authority=tmp_path / "root.pem"))


def test_from_a_real_run_to_a_verified_bundle(tmp_path: Path) -> None:
    ended = hil_run(tmp_path, "--plan", "nightly", "--case", "VER-02[test]", "--controls")
    assert ended.code == 0, ended.out
    secret, public = _keys(tmp_path)
    gate = hil(tmp_path, "gate", str(ended.folder), "--format", "vsa", "--out", "gate.json")
    assert gate.code == 1  # the bundled policy asks for far more than one case
    made = hil(
        tmp_path,
        "evidence",
        str(ended.folder),
        "--key",
        str(secret),
        "--gate",
        "gate.json",
        "--out",
        "bundle",
    )
    assert made.code == 0, made.err
    told = hil(tmp_path, "verify", "bundle", "--public-key", str(public))
    assert told.code == 0, told.out
    assert "the gate's verdict on this record: FAILED" in told.out
    assert (tmp_path / "bundle" / "firmware" / "boot.bin").is_file()
    assert (tmp_path / "bundle" / "run" / "controls" / "version" / "results.jsonl").is_file()
    (tmp_path / "bundle" / "run" / "results.jsonl").write_text("")
    told = hil(tmp_path, "verify", "bundle", "--public-key", str(public))
    assert told.code == 1
    assert "run/results.jsonl: was changed" in told.out
