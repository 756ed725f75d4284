"""The orchestrator, its configuration, its results and checkpoints; and the schema of payloads."""

import json
import subprocess
import threading
from pathlib import Path

import pytest
from documents_shelf import Shelf

from headrace.connectors.qdrant import open_store
from headrace.errors import ConfigurationError, ResourceError
from headrace.pipelines.documents import (
    ConfigurationManager,
    FileMetadata,
    NICSchemaManager,
    PipelineOrchestrator,
    PipelineStage,
    ProcessingStatus,
    create_pipeline_orchestrator,
    run,
)
from servers.gitlab_server import GitLabServer


def manager(shelf: Shelf, **sections: object) -> ConfigurationManager:
    return ConfigurationManager(
        gitlab={"source": str(shelf.folder)},
        qdrant={"location": shelf.vectors},
        pipeline={
            "store": shelf.store,
            "output_dir": str(shelf.home / "out"),
            "checkpoint_dir": str(shelf.home / "checkpoints"),
        },
        **sections,
    )


def test_a_full_run_and_a_second_one(shelf: Shelf) -> None:
    (shelf.folder / "30-Aprovados/bad.docx").write_bytes(b"PK\x03\x04 broken")
    orchestrator = create_pipeline_orchestrator(manager(shelf))
    assert orchestrator.monitor_progress().current_stage is PipelineStage.INITIALIZATION
    result = orchestrator.run_full_pipeline("30-Aprovados")
    assert (result.total_documents, result.processed_successfully) == (9, 8)
    assert (result.failed_documents, result.skipped_documents) == (1, 0)
    assert result.total_chunks == result.total_vectors_stored == sum(map(len, shelf.stored().values()))
    assert result.errors == ["30-Aprovados/bad.docx: it is damaged: its archive is incomplete"]
    assert set(result.stage_timings) == {
        stage.value for stage in PipelineStage if stage is not PipelineStage.INITIALIZATION
    }
    assert result.performance_metrics["success_rate"] == pytest.approx(8 / 9)
    by_path = {document.file_path: document for document in result.document_results}
    bad = by_path["30-Aprovados/bad.docx"]
    assert (bad.status, bad.stages_completed) == (ProcessingStatus.FAILED, [PipelineStage.GITLAB_INGESTION])
    good = by_path["30-Aprovados/20-Operação/PR-021 Operação das comportas do vertedouro.md"]
    assert good.status is ProcessingStatus.COMPLETED
    assert good.metadata["title"] == "PR-021 Operação das comportas do vertedouro"
    assert PipelineStage.VECTOR_STORAGE in good.stages_completed
    with open_store(shelf.vectors) as store:
        assert good.document_id in {payload["document"] for payload in store.documents()}

    progress = orchestrator.monitor_progress()
    assert (progress.documents_processed, progress.total_documents) == (9, 9)
    assert progress.stage_progress["vector_storage"] == 1.0

    (summary,) = (shelf.home / "out").glob("pipeline_summary_*.json")
    written = json.loads(summary.read_text())
    assert written["results"]["processed_successfully"] == 8
    assert written["configuration"]["environment"] == "development"

    second = orchestrator.run_full_pipeline("30-Aprovados")
    assert (second.processed_successfully, second.skipped_documents, second.failed_documents) == (0, 8, 1)


def test_chosen_documents_only(shelf: Shelf) -> None:
    orchestrator = PipelineOrchestrator(manager(shelf))
    listed = orchestrator.list_documents("30-Aprovados/70-English")
    assert [file.name for file in listed] == ["EN-001 Emergency contacts.md", "EN-009 Data historian guide.txt"]
    results = orchestrator.process_documents(listed[:1])
    assert [(r.file_path, r.status) for r in results] == [(listed[0].path, ProcessingStatus.COMPLETED)]
    assert list(shelf.stored()) == [listed[0].path]
    orchestrator.process_documents([FileMetadata(listed[1].path)])
    assert list(shelf.stored()) == [file.path for file in listed]  # the first one is still there
    assert orchestrator.process_documents([]) == []


def test_progress_is_seen_from_another_thread(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    (shelf.folder / "30-Aprovados").mkdir(parents=True)
    for number in range(2000):
        (shelf.folder / f"30-Aprovados/{number}.md").write_text(f"# Document {number}\n\nText.")
    orchestrator = PipelineOrchestrator(manager(shelf))
    seen = []
    thread = threading.Thread(target=orchestrator.run_full_pipeline)
    thread.start()
    while thread.is_alive():
        seen.append(orchestrator.monitor_progress())
        thread.join(0.02)
    middle = [report for report in seen if 0 < report.documents_processed < 2000]
    assert middle
    assert all(report.elapsed_time > 0 and report.processing_rate > 0 for report in middle)
    assert all((report.current_document or "").startswith("30-Aprovados/") for report in middle)
    assert orchestrator.monitor_progress().current_document is None
    stores = {"store": shelf.store, "vectors": shelf.vectors}
    plain = run(str(shelf.folder), folder="30-Aprovados", progress=False, **stores)
    assert plain.counts["executed"] == 0  # who watches is no part of what a stage does


def test_a_gitlab_project(shelf: Shelf) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(shelf.folder)]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    root = shelf.home / "gitlab"
    subprocess.run(["git", "clone", "-q", "--bare", str(shelf.folder), str(root / "nic/docs.git")], check=True)
    with GitLabServer(root, {"t0ken": None}) as server:
        gitlab = {"url": server.url, "project_path": "nic/docs", "access_token": "t0ken", "branch": "main"}
        config = ConfigurationManager(
            gitlab=gitlab,
            qdrant={"location": shelf.vectors},
            pipeline={"store": shelf.store, "output_dir": str(shelf.home)},
        )
        orchestrator = PipelineOrchestrator(config)
        assert orchestrator.run_full_pipeline().processed_successfully == 8
        server.requests.clear()
        assert orchestrator.run_full_pipeline().skipped_documents == 8
        assert not [request for request in server.requests if "/blobs/" in request]
    everything = b"".join(path.read_bytes() for path in shelf.home.glob("*") if path.is_file())
    assert b"t0ken" not in everything
    assert "t0ken" not in repr(config.config) + repr(config.create_module_configs())


def test_checkpoints(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    orchestrator = PipelineOrchestrator(manager(shelf))
    assert orchestrator.create_checkpoint("vector_storage", {"done": 3, "token": "s3cret"})
    (file,) = (shelf.home / "checkpoints").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in file.read_text()
    assert orchestrator.resume_from_checkpoint(str(file))
    assert orchestrator.run_full_pipeline(checkpoint_file=str(file)).total_documents == 8
    other = PipelineOrchestrator(manager(shelf, chunking={"target_chunk_size": 300}))
    assert not other.resume_from_checkpoint(str(file))
    with pytest.raises(ConfigurationError, match="is no checkpoint of this configuration"):
        other.run_full_pipeline(checkpoint_file=str(file))
    file.write_text(file.read_text().replace('"done": 3', '"done": 4'))
    assert not orchestrator.resume_from_checkpoint(str(file))
    assert "its checksum doesn't fit" in caplog.text
    assert not orchestrator.resume_from_checkpoint(str(shelf.home / "missing"))


def test_errors_are_sorted_and_explained(shelf: Shelf) -> None:
    orchestrator = PipelineOrchestrator(manager(shelf))
    full = orchestrator.handle_pipeline_errors(ResourceError("disk full"), {"stage": "publish", "password": "s3cret"})
    assert (full.category, full.retryable) == ("resource", True)
    assert "s3cret" not in repr(full)
    wrong = orchestrator.handle_pipeline_errors(ConfigurationError("no such branch"), {})
    assert (wrong.category, wrong.retryable, wrong.message) == ("configuration", False, "no such branch")


YAML = """
gitlab: {url: https://gitlab.example.com, project_path: nic/docs}
qdrant: {collection_name: base}
environments:
  production: {qdrant: {location: "http://qdrant:6333"}, chunking: {target_chunk_size: 1200}}
"""


def test_the_layers_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(YAML)
    production = ConfigurationManager(file, "production").config
    assert (production.qdrant.location, production.qdrant.collection_name) == ("http://qdrant:6333", "base")
    assert production.chunking.target_chunk_size == 1200
    plain = ConfigurationManager(file)
    assert (plain.environment, plain.config.chunking.target_chunk_size) == ("development", 800)
    monkeypatch.setenv("HEADRACE_QDRANT__COLLECTION_NAME", "from-env")
    assert ConfigurationManager(file).config.qdrant.collection_name == "from-env"
    assert ConfigurationManager(file, qdrant={"collection_name": "mine"}).config.qdrant.collection_name == "mine"
    hashes = {ConfigurationManager(file, name).config_hash for name in ("development", "production")}
    assert len(hashes) == 2
    assert set(plain.create_module_configs()) == {
        *("gitlab", "docling", "chunking", "embedding", "qdrant", "pipeline", "metadata"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qdrant: {colection: x}", r"qdrant\.colection: Extra inputs"),
        ("chunking: {target_chunk_size: -1}", r"chunking\.target_chunk_size: Input should be greater than 0"),
        ("gitlab: {access_token: [s3cret]}", r"gitlab\.access_token"),
        ("qdrant: [", "is not YAML: line"),
        ("just text", "must hold sections"),
        (YAML.replace("production", "staging"), "has no environment 'production'; it has staging"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        ConfigurationManager(tmp_path / "c.yaml", "production")
    assert "s3cret" not in str(caught.value)


def test_the_schema_of_what_is_stored(shelf: Shelf) -> None:
    shelf.run()
    schema = NICSchemaManager()
    with open_store(shelf.vectors) as store:
        payloads = [*store.documents(), *store.chunks()]
    assert [fault for payload in payloads for fault in schema.validate(payload)] == []
    broken = {**payloads[-1], "page": "one"}
    del broken["text"]
    assert schema.validate(broken) == ["text is missing", "page is of type str"]
    newer = NICSchemaManager({1: lambda payload: {**payload, "language": "pt"}}, version=2)
    migrated = newer.migrate(payloads[0])
    assert (migrated["schema"], migrated["language"]) == (2, "pt")
    assert newer.validate(migrated) == []
    with pytest.raises(ConfigurationError, match="is of schema 2, this version of headrace knows 1"):
        schema.migrate(migrated)
