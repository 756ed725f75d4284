#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

namespace headrace::test {

class RunStoreTest : public Folder {};

TEST_F(RunStoreTest, WhatWasAppendedIsReadBackInOrder) {
  const Claim claim = fill(path(), 3);
  const auto store = open_store(path(), false);
  const auto found = results(*store, claim.stages[1].units, claim.number);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0], "\"k1\"=\"value1\"");
  EXPECT_EQ(found[2], "\"k3\"=\"value3\"");
  EXPECT_EQ(found[3].size(), 70'005U);
  EXPECT_EQ(store->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, DurableIsToldOnceAndInOrder) {
  const auto store = open_store(path());
  const Claim claim = store->begin_run(two_stages());
  std::vector<int> told;
  for (int i = 1; i <= 200; ++i) {
    Batch batch = record(claim, i, "v");
    batch.durable = [&told, i](const std::exception_ptr& error) {
      EXPECT_FALSE(error);
      told.push_back(i);
    };
    store->append(std::move(batch));
  }
  store->flush();
  ASSERT_EQ(told.size(), 200U);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  store->end_run("succeeded", "");
}

TEST_F(RunStoreTest, AnotherStarterIsRefusedAndTheEndLetsGo) {
  const auto store = open_store(path());
  const auto other = open_store(path());
  const Claim claim = store->begin_run(two_stages());
  try {
    other->begin_run(two_stages());
    FAIL() << "two owners";
  } catch (const RunActiveError& error) {
    EXPECT_NE(std::string(error.what()).find(claim.id), std::string::npos);
    EXPECT_NE(std::string(error.what()).find(std::to_string(::getpid())), std::string::npos);
  }
  EXPECT_THROW(store->begin_run(two_stages()), RunActiveError);
  EXPECT_TRUE(other->active(claim.number));
  EXPECT_EQ(other->begin_run(two_stages("another")).number, claim.number + 1);
  store->end_run("cancelled", "");
  EXPECT_FALSE(other->active(claim.number));
  const Claim again = store->begin_run(two_stages());
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.id, claim.id);
  EXPECT_EQ(again.previous_status, "cancelled");
}

TEST_F(RunStoreTest, ALateWriteOfAStaleOwnerIsRefused) {
  const auto stale = open_store(path());
  const Claim claim = stale->begin_run(two_stages());
  stale->append(record(claim, 1, "first"));
  stale->flush();
  // Somebody removes the lock file by hand: the kernel can't keep the two apart any more, the token does.
  ::unlink(path("runs.db-lease").c_str());
  const auto owner = open_store(path());
  const Claim taken = owner->begin_run(two_stages());
  EXPECT_EQ(taken.id, claim.id);
  std::promise<std::exception_ptr> told;
  Batch late = record(claim, 2, "late");
  late.durable = [&told](std::exception_ptr error) { told.set_value(error); };
  stale->append(std::move(late));
  const std::exception_ptr error = told.get_future().get();
  ASSERT_TRUE(error);
  EXPECT_THROW(std::rethrow_exception(error), StateInconsistencyError);
  EXPECT_THROW(stale->flush(), StateInconsistencyError);
  owner->append(record(taken, 2, "owner"));
  owner->flush();
  EXPECT_EQ(results(*owner, taken.stages[1].units, taken.number).back(), "\"k2\"=\"owner\"");
  EXPECT_EQ(owner->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, ADeadOwnerIsTakenOverAtOnceEvenWithAChildAlive) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t owner = ::fork();
  if (owner == 0) {
    const auto store = open_store(path());
    const Claim claim = store->begin_run(two_stages());
    store->append(record(claim, 1, "first"));
    store->flush();
    const pid_t child = ::fork();  // a stage that leaves a process behind
    if (child == 0) ::pause();
    [[maybe_unused]] const auto size = ::write(ready[1], &child, sizeof child);
    ::pause();
  }
  pid_t child = 0;
  ASSERT_EQ(::read(ready[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  const auto store = open_store(path());
  EXPECT_THROW(store->begin_run(two_stages()), RunActiveError);
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  const Claim claim = store->begin_run(two_stages());
  EXPECT_TRUE(claim.resumed);
  EXPECT_EQ(claim.previous_status, "running");
  EXPECT_EQ(claim.stages[1].recorded, 1);
  ::kill(child, SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(RunStoreTest, RefusingACheckLeavesNoTrace) {
  fill(path(), 2);
  const auto store = open_store(path());
  RunSpec spec = two_stages();
  spec.stages[1].fingerprint = R"({"code":"c"})";
  spec.check = [](const Claim& claim) {
    EXPECT_EQ(claim.previous_status, "succeeded");
    EXPECT_EQ(claim.stages[1].fingerprint, R"({"code":"b"})");
    throw ConfigurationError("changed");
  };
  EXPECT_THROW(store->begin_run(spec), ConfigurationError);
  const auto reader = store->reader();
  EXPECT_EQ(std::get<std::int64_t>(reader->query("SELECT count(*) FROM run").rows[0][0]), 1);
  EXPECT_EQ(
      std::get<std::string>(reader->query("SELECT fingerprint FROM stage WHERE name='work'").rows[0][0]),
      R"({"code":"b"})");
}

TEST_F(RunStoreTest, HistoryKeepsWhatWasReplaced) {
  const Claim first = fill(path(), 2);
  const auto store = open_store(path());
  const Claim second = store->begin_run(two_stages());
  EXPECT_FALSE(second.resumed);
  EXPECT_EQ(second.stages[1].recorded, 3);
  store->append(record(second, 1, "newer", true));
  store->end_run("succeeded", "");
  EXPECT_EQ(results(*store, second.stages[1].units, first.number)[0], "\"k1\"=\"value1\"");
  EXPECT_EQ(results(*store, second.stages[1].units, second.number)[0], "\"k1\"=\"newer\"");
  const auto older = store->reader()->find_history(second.stages[1].units, 1, 7, hash64(key_of(1)));
  ASSERT_TRUE(older);
  EXPECT_EQ(older->value.bytes(), "\"value1\"");
  EXPECT_EQ(store->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, PruneForgetsRunsHistoryItemsAndBlobs) {
  fill(path(), 2);
  const auto store = open_store(path());
  const Claim second = store->begin_run(two_stages());
  Batch batch =
      record(second, 3, "small now", true);  // it was the large one: its blob has no owner but the history
  batch.gone.emplace_back(second.stages[1].space, 1);
  store->append(std::move(batch));
  store->end_run("succeeded", "");
  EXPECT_FALSE(std::filesystem::is_empty(path("runs.db-blobs")));
  EXPECT_EQ(store->prune(5), 0);
  EXPECT_EQ(store->prune(1), 1);
  EXPECT_EQ(store->verify(), std::vector<std::string>());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("runs.db-blobs"))) {
    EXPECT_TRUE(entry.is_directory()) << entry.path();
  }
  EXPECT_EQ(results(*store, second.stages[1].units, second.number).size(), 2U);
  EXPECT_THROW(store->prune(0), ConfigurationError);
}

TEST_F(RunStoreTest, PruneLeavesTheFilesThatAReaderStillWants) {
  const auto files = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path("runs.db-blobs"))) {
      count += entry.is_regular_file();
    }
    return count;
  };
  const Claim first = fill(path(), 2);  // its third value is a file
  const auto store = open_store(path());
  const Claim second = store->begin_run(two_stages());
  store->append(record(second, 3, "short now", true));
  store->end_run("succeeded", "");
  std::vector<std::string> seen;
  store->reader()->results(first.stages[1].units, first.number, [&](const std::string&, const Value& value) {
    if (seen.empty()) EXPECT_EQ(open_store(path())->prune(1), 1);
    seen.emplace_back(value.bytes());
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"\"value1\"", "\"value2\"", std::string(70'000, 'x')}));
  EXPECT_EQ(files(), 1);
  EXPECT_EQ(store->prune(1), 0);
  EXPECT_EQ(files(), 0);
  EXPECT_EQ(store->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, AStageThatARunLeavesOutKeepsItsFingerprint) {
  fill(path(), 1);
  RunSpec spec = two_stages();
  spec.stages[1].fingerprint = R"({"code":"changed"})";
  spec.stages[1].runs = false;
  const auto store = open_store(path());
  store->begin_run(spec);
  store->end_run("succeeded", "");
  EXPECT_EQ(store->begin_run(spec).stages[1].fingerprint, R"({"code":"b"})");
  store->end_run("succeeded", "");
  spec.stages[1].runs = true;
  store->begin_run(spec);
  store->end_run("succeeded", "");
  EXPECT_EQ(store->begin_run(spec).stages[1].fingerprint, R"({"code":"changed"})");
  store->end_run("succeeded", "");
}

TEST_F(RunStoreTest, OpeningWhatIsNotAStore) {
  EXPECT_THROW(open_store(path(), false), StorageError);
  EXPECT_THROW(open_store(folder_.string()), StorageError);
  spill(path("text"), std::string(5000, 'x'));
  EXPECT_THROW(open_store(path("text")), StorageError);
  EXPECT_THROW(open_store("postgresql://host/db"), ConfigurationError);
}

TEST_F(RunStoreTest, AStoreOfANewerOrImpossibleVersion) {
  fill(path(), 1);
  for (const int version : {2, 999, 0, -1}) {  // versions start at 1
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    sqlite3_exec(db, ("PRAGMA user_version=" + std::to_string(version)).c_str(), nullptr, nullptr, nullptr);
    sqlite3_close(db);
    if (version > 0) {
      EXPECT_THROW(open_store(path()), StorageError) << version;
    } else {
      EXPECT_THROW(open_store(path()), CheckpointCorruptionError) << version;
    }
  }
}

TEST_F(RunStoreTest, ALockedStoreIsAClearErrorAndLosesNothing) {
  fill(path(), 2);
  ::setenv("HEADRACE_BUSY_MS", "200", 1);
  const auto store = open_store(path());
  ::unsetenv("HEADRACE_BUSY_MS");
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  try {
    store->begin_run(two_stages());
    FAIL() << "it was locked";
  } catch (const StorageError& error) {
    EXPECT_NE(std::string(error.what()).find("locked by another process"), std::string::npos) << error.what();
  }
  EXPECT_EQ(results(*store, 2, 1).size(), 3U);  // readers never wait
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  const Claim claim = store->begin_run(two_stages());
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  store->append(record(claim, 9, "nine"));
  EXPECT_THROW(store->flush(), StorageError);
  EXPECT_THROW(store->end_run("failed", ""), StorageError);
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  const auto again = open_store(path());
  EXPECT_TRUE(again->begin_run(two_stages()).resumed);
  EXPECT_EQ(again->verify(), std::vector<std::string>());
}

/// An operating system that fails as it is told.
class FailingEnv : public Env {
 public:
  std::int64_t now_ms() const override { return now -= 3'600'000; }  // an hour back at each look
  void write_file(const std::string& path, std::string_view bytes) const override {
    if (no_files) throw StorageError("can't write " + path + ": No space left on device");
    Env::write_file(path, bytes);
  }
  std::string network_file_system(const std::string&) const override { return network; }

  mutable std::int64_t now = 1'800'000'000'000;
  bool no_files = false;
  std::string network;
};

TEST_F(RunStoreTest, AClockThatGoesBackwards) {
  const FailingEnv env;
  const auto store = open_store(path(), true, env);
  Claim claim = store->begin_run(two_stages());
  for (int i = 1; i <= 20; ++i) {
    Batch batch = record(claim, i, "v");
    batch.events.push_back({"warning", "work", "{}"});
    batch.samples.push_back({1, 1});
    store->append(std::move(batch));
  }
  store->end_run("cancelled", "");
  EXPECT_TRUE(store->begin_run(two_stages()).resumed);
  store->end_run("succeeded", "");
  const Claim second = store->begin_run(two_stages());
  EXPECT_FALSE(second.resumed);
  EXPECT_GT(second.number, claim.number);
  EXPECT_EQ(second.stages[1].recorded, 20);
  store->end_run("succeeded", "");
  EXPECT_EQ(store->verify(), std::vector<std::string>());
  EXPECT_EQ(store->prune(1), 1);
}

TEST_F(RunStoreTest, ABlobThatCanNotBeWrittenStopsTheJournalAndLosesNothing) {
  FailingEnv env;
  const auto store = open_store(path(), true, env);
  const Claim claim = store->begin_run(two_stages());
  store->append(record(claim, 1, "small"));
  store->flush();
  env.no_files = true;
  std::atomic<int> told{0};
  for (int i = 2; i <= 60; ++i) {
    Batch batch = record(claim, i, std::string(70'000, 'y'));
    batch.durable = [&told](std::exception_ptr error) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      told += error != nullptr;
    };
    store->append(std::move(batch));
  }
  EXPECT_THROW(store->flush(), StorageError);
  EXPECT_EQ(told, 59);  // nothing is left that a batch keeps alive
  EXPECT_THROW(store->end_run("failed", ""), StorageError);
  env.no_files = false;
  const auto again = open_store(path(), true, env);
  const Claim resumed = again->begin_run(two_stages());
  EXPECT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.stages[1].recorded, 1);
  again->append(record(resumed, 2, std::string(70'000, 'y')));
  again->end_run("succeeded", "");
  EXPECT_EQ(again->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, ANetworkFileSystemGetsTheRollbackJournal) {
  FailingEnv env;
  env.network = "NFS";
  const auto store = open_store(path(), true, env);
  const Claim claim = store->begin_run(two_stages());
  store->append(record(claim, 1, "v"));
  store->end_run("succeeded", "");
  EXPECT_EQ(std::get<std::string>(store->reader()->query("PRAGMA journal_mode").rows[0][0]), "delete");
  EXPECT_FALSE(std::filesystem::exists(path("runs.db-wal")));
  EXPECT_EQ(store->verify(), std::vector<std::string>());
}

TEST_F(RunStoreTest, FilesAreForTheOwnerOnly) {
  const mode_t before = ::umask(0);
  fill(path(), 2);
  ::umask(before);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
    const auto rights = entry.status().permissions();
    EXPECT_EQ(rights & std::filesystem::perms(077), std::filesystem::perms::none) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5);
}

TEST_F(RunStoreTest, EveryCallFromManyThreadsAtOnce) {
  const auto store = open_store(path());
  const Claim claim = store->begin_run(two_stages());
  std::vector<std::thread> threads;
  std::atomic<int> next{1};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int item = next++; item <= 300; item = next++) store->append(record(claim, item, "v"));
    });
  }
  threads.emplace_back([&] {
    const auto reader = store->reader();
    for (int i = 0; i < 50; ++i) {
      reader->find(claim.stages[1].units, i + 1, hash64(key_of(i + 1)));
      store->execute("INSERT OR REPLACE INTO state VALUES('test', ?, ?)",
                     {std::string("n"), std::int64_t{i}});
    }
  });
  for (auto& thread : threads) thread.join();
  store->flush();
  EXPECT_EQ(results(*store, claim.stages[1].units, claim.number).size(), 300U);
  store->end_run("succeeded", "");
  EXPECT_EQ(store->verify(), std::vector<std::string>());
}

}  // namespace headrace::test
