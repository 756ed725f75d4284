// Starting, continuing and ending runs: who owns a pipeline, and where its records are.
#include <chrono>
#include <random>
#include <thread>

#include "headrace/base/error.h"
#include "schema.h"
#include "sqlite_store.h"
#include "structure.h"

namespace headrace::sqlite {

namespace {

std::string new_run_id(std::int64_t now_ms) {
  const std::time_t seconds = now_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
  std::random_device random;
  const std::uint64_t bits = (static_cast<std::uint64_t>(random()) << 32) | random();
  return std::string(stamp) + "-" + to_hex(std::string_view(reinterpret_cast<const char*>(&bits), 4));
}

constexpr int kOrphanWaits = 200;
constexpr std::chrono::milliseconds kOrphanWait{10};

bool unfinished(const std::string& status) {
  return status == "running" || status == "cancelled" || status == "failed";
}

}  // namespace

std::int64_t SqliteStore::pipeline_id(const std::string& name) {
  cached("INSERT OR IGNORE INTO pipeline(name) VALUES(?1)").bind(1, name).run();
  Statement& find = cached("SELECT id FROM pipeline WHERE name=?1");
  find.bind(1, name).step();
  const std::int64_t id = find.integer(0);
  find.reset();
  return id;
}

bool SqliteStore::owner_died(std::int64_t pipeline) {
  Statement find = db_.prepare(
      "SELECT boot_id, pid, start_ticks FROM run WHERE pipeline=?1 AND status='running' ORDER BY number DESC "
      "LIMIT 1");
  return find.bind(1, pipeline).step() && !env_.alive({find.text(0), find.integer(1), find.integer(2)});
}

std::unique_ptr<Lease> SqliteStore::take_lease(const RunSpec& spec, std::int64_t pipeline) {
  auto lease = env_.try_lease(lease_path(), pipeline);
  // A child that was just being forked when its owner died still has to close its copy of the lock.
  for (int i = 0; !lease && i < kOrphanWaits && owner_died(pipeline); ++i) {
    std::this_thread::sleep_for(kOrphanWait);
    lease = env_.try_lease(lease_path(), pipeline);
  }
  if (lease) return lease;
  Statement find = db_.prepare("SELECT id, pid FROM run WHERE pipeline=?1 ORDER BY number DESC LIMIT 1");
  std::string who = "another process";
  if (find.bind(1, pipeline).step()) who = "process " + find.text(1) + " (run " + find.text(0) + ")";
  throw RunActiveError("pipeline '" + spec.pipeline + "' is being run by " + who + " in " + path_ +
                       ": wait for it, or stop it");
}

Claim SqliteStore::begin_run(const RunSpec& spec) {
  const std::lock_guard writing(writing_);
  if (run_)
    throw RunActiveError("this store object is running run " + run_->id + " already: open the store again");
  Claim claim;
  run_.emplace();
  try {
    transaction([&] { run_->pipeline = pipeline_id(spec.pipeline); });
    run_->lease = take_lease(spec, run_->pipeline);
    std::vector<std::string> faults;
    check_pipeline(db_, run_->pipeline, faults);
    refuse(faults);
    transaction([&] {
      start_or_resume(spec, claim);
      register_stages(spec, claim);
      if (spec.check) spec.check(claim);
    });
  } catch (...) {
    run_.reset();
    throw;
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  return claim;
}

void SqliteStore::start_or_resume(const RunSpec& spec, Claim& claim) {
  Statement token = db_.prepare("UPDATE pipeline SET token=token+1 WHERE id=?1 RETURNING token");
  token.bind(1, run_->pipeline).step();
  run_->token = token.integer(0);
  token.run();

  const bool by_id = spec.resume != "last" && spec.resume != "new";
  Statement last = db_.prepare(
      by_id
          ? "SELECT number, id, status, params, events, event_head, seed FROM run WHERE pipeline=?1 AND id=?2"
          : "SELECT number, id, status, params, events, event_head, seed FROM run WHERE pipeline=?1 "
            "ORDER BY number DESC LIMIT 1");
  last.bind(1, run_->pipeline);
  if (by_id) last.bind(2, std::string_view(spec.resume));
  const bool found = last.step();
  if (by_id && !found) {
    throw ConfigurationError("pipeline '" + spec.pipeline + "' has no run '" + spec.resume + "' in " + path_ +
                             ": `headrace runs` lists them");
  }
  if (found) claim.previous_status = last.text(2);
  if (by_id && claim.previous_status == "succeeded") {
    throw ConfigurationError("run '" + spec.resume +
                             "' has succeeded: there is nothing to resume; run without resume=");
  }
  const Owner self = env_.self();
  const bool same = found && (by_id || (unfinished(claim.previous_status) && last.text(3) == spec.params &&
                                        last.integer(6) == spec.seed));
  claim.resumed = same && spec.resume != "new";
  if (claim.resumed) {
    run_->number = last.integer(0);
    run_->id = last.text(1);
    run_->events = last.integer(4);
    run_->event_head = last.text(5);
    last.reset();
    Statement update = db_.prepare(
        "UPDATE run SET status='running', finished_ms=NULL, message='', version=?2, params=?3, config=?4, "
        "graph=?5, "
        "boot_id=?6, pid=?7, start_ticks=?8 WHERE number=?1");
    update.bind(1, run_->number)
        .bind(2, spec.version)
        .bind(3, spec.params)
        .bind(4, spec.config)
        .bind(5, spec.graph);
    update.bind(6, self.boot_id).bind(7, self.pid).bind(8, self.start_ticks).run();
    cached("DELETE FROM failure WHERE run=?1").bind(1, run_->number).run();
  } else {
    const std::int64_t before = found ? last.integer(0) : 0;
    const std::string head = found ? to_hex(last.text(5)) : "";
    if (found && claim.previous_status == "running") {
      cached("UPDATE run SET status='failed', message='its process died' WHERE number=?1")
          .bind(1, before)
          .run();
    }
    last.reset();
    const std::int64_t now = env_.now_ms();
    run_->id = new_run_id(now);
    Statement insert = db_.prepare(
        "INSERT INTO run(id, pipeline, status, version, params, config, graph, seed, started_ms, boot_id, "
        "pid, "
        "start_ticks) VALUES(?1, ?2, 'running', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING number");
    insert.bind(1, run_->id)
        .bind(2, run_->pipeline)
        .bind(3, spec.version)
        .bind(4, spec.params)
        .bind(5, spec.config);
    insert.bind(6, spec.graph).bind(7, spec.seed).bind(8, now).bind(9, self.boot_id).bind(10, self.pid);
    insert.bind(11, self.start_ticks).step();
    run_->number = insert.integer(0);
    insert.run();
    // The first event names the head of the run before it: the runs of a pipeline form one chain.
    write_event({"run_started", "", R"({"after":")" + head + "\"}"});
  }
  if (claim.resumed) write_event({"run_resumed", "", R"({"was":")" + claim.previous_status + "\"}"});
  claim.number = run_->number;
  claim.id = run_->id;
}

std::int64_t SqliteStore::register_space(std::int64_t pipeline, const std::string& name,
                                         const std::string& parent) {
  if (name.empty()) return 0;
  Statement find = db_.prepare("SELECT id FROM space WHERE pipeline=?1 AND name=?2");
  if (find.bind(1, pipeline).bind(2, name).step()) return find.integer(0);
  Statement insert = db_.prepare("INSERT INTO space(pipeline, name, parent) VALUES(?1, ?2, ?3) RETURNING id");
  insert.bind(1, pipeline).bind(2, name).bind(3, parent).step();
  const std::int64_t id = insert.integer(0);
  insert.run();
  create_items_table(db_, id, !parent.empty());
  return id;
}

std::int64_t SqliteStore::register_stage(std::int64_t pipeline, const StageSpec& spec,
                                         const std::string& form, std::int64_t space, StageTable* table) {
  const std::string name = form == spec.form ? spec.name : spec.name + ":parents";
  Statement find = db_.prepare("SELECT id, fingerprint, units FROM stage WHERE pipeline=?1 AND name=?2");
  if (find.bind(1, pipeline).bind(2, name).step()) {
    const std::int64_t id = find.integer(0);
    if (table) table->fingerprint = find.text(1);
    if (table) table->recorded = find.integer(2);
    find.reset();
    if (!spec.runs) return id;
    cached("UPDATE stage SET fingerprint=?2, form=?3, space=?4 WHERE id=?1")
        .bind(1, id)
        .bind(2, spec.fingerprint)
        .bind(3, form)
        .bind(4, space)
        .run();
    return id;
  }
  Statement insert = db_.prepare(
      "INSERT INTO stage(pipeline, name, form, space, fingerprint) VALUES(?1, ?2, ?3, ?4, ?5) RETURNING id");
  insert.bind(1, pipeline).bind(2, name).bind(3, form).bind(4, space);
  insert.bind(5, spec.runs ? std::string_view(spec.fingerprint) : "").step();
  const std::int64_t id = insert.integer(0);
  insert.run();
  create_units_table(db_, id);
  return id;
}

void SqliteStore::register_stages(const RunSpec& spec, Claim& claim) {
  for (const StageSpec& stage : spec.stages) {
    StageTable table;
    table.space = register_space(run_->pipeline, stage.space, stage.parent_space);
    if (stage.makes_items) table.makes = register_space(run_->pipeline, stage.name, stage.parent_space);
    table.units = register_stage(run_->pipeline, stage, stage.form, table.space, &table);
    if (stage.form == "flat_map") {
      const std::int64_t parents = register_space(run_->pipeline, stage.parent_space, "");
      table.parents = register_stage(run_->pipeline, stage, "flat_map:parents", parents, nullptr);
    }
    claim.stages.push_back(std::move(table));
  }
  rebuild_results_view(db_);
}

void SqliteStore::end_run(const std::string& status, const std::string& message) {
  std::exception_ptr error;
  try {
    flush();
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard writing(writing_);
  if (!run_) return;
  try {
    if (error) std::rethrow_exception(error);
    transaction([&] {
      write_event({"run_" + status, "", "{}"});
      Statement update = db_.prepare("UPDATE run SET status=?2, message=?3, finished_ms=?4 WHERE number=?1");
      update.bind(1, run_->number).bind(2, status).bind(3, message).bind(4, env_.now_ms()).run();
    });
  } catch (...) {
    run_.reset();  // the lease goes in any case: the run can be resumed
    throw;
  }
  run_.reset();
}

}  // namespace headrace::sqlite
