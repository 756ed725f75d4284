// Flipped bits and truncation, everywhere in small stores: found and named, or without effect. Never a wrong
// result. The short form takes every 13th byte that isn't zero; HEADRACE_SOAK=1 takes each of them, and zeros
// too.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "sqlite.h"
#include "support.h"

namespace headrace::test {

namespace {

struct Tally {
  int tried = 0;
  int found = 0;           ///< open, a read or a run named it
  int found_later = 0;     ///< all that was read and done was right, and verify names it
  int without_effect = 0;  ///< all is right, and nothing is amiss
  std::vector<std::string> wrong;
};

std::ostream& operator<<(std::ostream& out, const Tally& tally) {
  return out << tally.tried << " tried: " << tally.found << " found in use, " << tally.found_later
             << " by verify alone, " << tally.without_effect << " without effect, " << tally.wrong.size()
             << " wrong";
}

std::string shown(const Cell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&cell)) return std::to_string(*real);
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* blob = std::get_if<Bytes>(&cell)) return to_hex(blob->data);
  return "-";
}

bool soak() {
  return std::getenv("HEADRACE_SOAK") != nullptr;
}

}  // namespace

class DamageTest : public Folder {
 protected:
  DamageTest() {
    if (!std::filesystem::is_directory("/dev/shm")) return;
    std::filesystem::remove_all(folder_);
    folder_ = std::filesystem::path("/dev/shm") / folder_.filename();
    std::filesystem::create_directories(folder_);
  }

  /// All that a user may read: every small table, and the results of both runs.
  static std::string everything(RunStore& store) {
    std::string all;
    const auto reader = store.reader();
    for (const char* table : {"pipeline", "space", "stage", "run", "run_stage", "failure", "event", "effect",
                              "sample", "blob", "approval", "state"}) {
      for (const auto& row : reader->query(std::string("SELECT * FROM ") + table).rows) {
        all += table;
        for (const Cell& cell : row) all += " " + shown(cell);
        all += "\n";
      }
    }
    for (const auto& row : reader->query("SELECT number FROM run ORDER BY number").rows) {
      const auto stage = reader->query("SELECT id FROM stage WHERE name='work'").rows.at(0);
      for (const auto& line :
           results(store, std::get<std::int64_t>(stage[0]), std::get<std::int64_t>(row[0]))) {
        all += line + "\n";
      }
    }
    return all;
  }

  /// A run as the engine makes it: what it is told, what it looks up, and what it leaves behind.
  static std::string run(RunStore& store) {
    const Claim claim = store.begin_run(two_stages());
    std::string told = std::to_string(claim.number) + claim.previous_status;
    for (const StageTable& table : claim.stages) {
      for (const auto part : {table.units, table.space, table.makes, table.recorded}) {
        told += " " + std::to_string(part);
      }
      told += table.fingerprint;
    }
    const auto reader = store.reader();
    reader->items(claim.stages[0].makes, std::nullopt,
                  [&](const ItemRow& row) { told += " " + std::to_string(row.id) + row.key; });
    for (ItemId item = 1; item <= 9; ++item) {
      const auto unit = reader->find(claim.stages[1].units, item, hash64(key_of(item)));
      told += unit ? " " + std::string(unit->value.bytes()) : " none";
      // What it doesn't find there is executed again.
      const auto older = reader->find_history(claim.stages[1].units, item, 7, hash64(key_of(item)));
      if (older && older->value.bytes() != "\"value2\"")
        told += " older " + std::string(older->value.bytes());
    }
    store.append(record(claim, 3, "third", true));
    store.append(record(claim, 9, "ninth"));
    store.end_run("succeeded", "");
    for (const auto& line : results(store, claim.stages[1].units, claim.number)) told += "\n" + line;
    return told;
  }

  /// Two runs; one value replaced, one in a blob. `closed` false: its process is killed, the log is live.
  void make(const std::string& name, bool closed) {
    const pid_t child = ::fork();
    if (child == 0) {
      fill(path(name), 6);
      const auto store = open_store(path(name));
      const Claim claim = store->begin_run(two_stages());
      store->append(record(claim, 2, "second", true));
      store->append(record(claim, 8, "eighth"));
      store->flush();
      if (!closed) ::raise(SIGKILL);
      store->end_run("succeeded", "");
    }
    if (child == 0) ::_exit(0);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(closed ? status : WTERMSIG(status), closed ? 0 : SIGKILL);
    for (const char* part : {"", "-wal", "-mark", "-lease"}) {
      if (std::filesystem::exists(path(name) + part)) kept_[part] = slurp(path(name) + part);
    }
    expected_ = everything(*open_store(path(name), false));
    restore(name);
    expected_run_ = run(*open_store(path(name), false));
    EXPECT_EQ(open_store(path(name), false)->verify(), std::vector<std::string>());
    restore(name);
  }

  void restore(const std::string& name) {
    for (const char* part : {"", "-wal", "-shm", "-mark", "-journal"})
      std::filesystem::remove(path(name) + part);
    for (const auto& [part, bytes] : kept_) spill(path(name) + part, bytes);
  }

  /// Uses a store that is damaged as `what` says, and sorts the outcome.
  void use(const std::string& name, const std::string& what, Tally& tally) {
    ++tally.tried;
    try {
      const auto store = open_store(path(name), false);
      const std::string read = everything(*store);
      const std::string told = run(*store);
      const auto faults = open_store(path(name), false)->verify();
      if (read != expected_ || told != expected_run_) {
        tally.wrong.push_back(what + (faults.empty() ? "" : " (verify: " + faults[0] + ")") + ":\n" +
                              (read != expected_ ? read : told));
      } else {
        ++(faults.empty() ? tally.without_effect : tally.found_later);
        if (!faults.empty() && std::getenv("HEADRACE_SHOW")) std::cout << what << ": " << faults[0] << "\n";
      }
    } catch (const CheckpointCorruptionError& error) {
      ++tally.found;
      EXPECT_EQ(sqlite::readable(error.what()), error.what());
    } catch (const StorageError& error) {
      ++tally.found;
      EXPECT_EQ(sqlite::readable(error.what()), error.what());
    } catch (const std::exception& error) {
      tally.wrong.push_back(what + ": " + error.what());
    }
    restore(name);
  }

  Tally flip_all(const std::string& name, const std::string& part, std::size_t stride) {
    Tally tally;
    const std::string whole = kept_.at(part);
    std::size_t seen = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      const bool chosen = whole[at] != 0 ? ++seen % stride == 0 : at % (stride * 4001) == 0;
      if (!chosen) continue;
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      spill(path(name) + part, bytes);
      use(name, "bit " + std::to_string(at % 8) + " of byte " + std::to_string(at) + " of runs.db" + part,
          tally);
    }
    return tally;
  }

  Tally truncate_all(const std::string& name, const std::string& part, std::size_t stride) {
    Tally tally;
    const std::string whole = kept_.at(part);
    for (std::size_t size = 0; size < whole.size(); size += stride) {
      spill(path(name) + part, std::string_view(whole).substr(0, size));
      use(name, "runs.db" + part + " cut to " + std::to_string(size), tally);
    }
    return tally;
  }

  static void report(const std::string& what, const Tally& tally) {
    std::cout << what << ": " << tally << "\n";
    EXPECT_GT(tally.tried, 0);
    EXPECT_TRUE(tally.wrong.empty()) << tally.wrong.size() << " wrong, such as " << tally.wrong.front();
  }

  std::map<std::string, std::string> kept_;
  std::string expected_;
  std::string expected_run_;
};

TEST_F(DamageTest, FlippedBitsInAClosedStore) {
  make("runs.db", true);
  const Tally tally = flip_all("runs.db", "", soak() ? 1 : 13);
  report("closed store", tally);
  EXPECT_GT(tally.found, tally.tried / 2);
}

TEST_F(DamageTest, FlippedBitsInALiveLog) {
  make("runs.db", false);
  ASSERT_GT(kept_["-wal"].size(), 0U);
  report("live log", flip_all("runs.db", "-wal", soak() ? 1 : 23));
}

TEST_F(DamageTest, FlippedBitsInTheMark) {
  make("runs.db", true);
  report("mark", flip_all("runs.db", "-mark", 1));
}

TEST_F(DamageTest, ATruncatedStoreAndLogAndMark) {
  make("runs.db", true);
  const Tally closed = truncate_all("runs.db", "", soak() ? 61 : 4001);
  report("closed store", closed);
  EXPECT_EQ(closed.without_effect, 0);
  report("mark", truncate_all("runs.db", "-mark", 1));
  kept_.clear();
  make("live.db", false);
  const Tally live = truncate_all("live.db", "-wal", soak() ? 61 : 8009);
  report("live log", live);
}

TEST_F(DamageTest, ABlobThatIsDamagedOrMissing) {
  make("runs.db", true);
  std::string file;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("runs.db-blobs"))) {
    if (entry.is_regular_file()) file = entry.path().string();
  }
  const std::string whole = slurp(file);
  Tally tally;
  for (const std::size_t at : {std::size_t{0}, whole.size() / 2, whole.size() - 1}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    spill(file, bytes);
    use("runs.db", "blob byte", tally);
    spill(file, std::string_view(whole).substr(0, at));
    use("runs.db", "blob cut", tally);
  }
  std::filesystem::remove(file);
  use("runs.db", "blob missing", tally);
  report("blob", tally);
  EXPECT_EQ(tally.without_effect, 0);
}

TEST(ReadableTest, WhatIsNotUtf8BecomesQuestionMarks) {
  const std::string whole = "caf\u00e9 \u20ac \U0001f600";
  EXPECT_EQ(sqlite::readable(whole), whole);
  EXPECT_EQ(sqlite::readable("a\xe8z\xff"), "a?z?");
  EXPECT_EQ(sqlite::readable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(sqlite::readable("\xc0\xaf"), "??");       // overlong
  EXPECT_EQ(sqlite::readable("cut \xf0\x9f\x98"), "cut ???");
}

}  // namespace headrace::test
