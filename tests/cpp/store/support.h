#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "headrace/base/error.h"
#include "headrace/store/run_store.h"

namespace headrace::test {

/// A folder of its own for each test, in memory where there is room, removed at its end.
class Folder : public ::testing::Test {
 protected:
  Folder() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              ("headrace-" + std::to_string(::getpid()) + "-" + info->test_suite_name() + "-" + info->name());
    std::filesystem::create_directories(folder_);
  }
  ~Folder() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name = "runs.db") const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

inline void spill(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A pipeline of a source "items" and a map "work" over them.
inline RunSpec two_stages(const std::string& pipeline = "test") {
  RunSpec spec;
  spec.pipeline = pipeline;
  spec.version = "1";
  StageSpec items{"items", "source", "", "", R"({"code":"a"})", true};
  StageSpec work{"work", "map", "items", "", R"({"code":"b"})", false};
  spec.stages = {items, work};
  return spec;
}

inline std::string key_of(ItemId item) {
  return "\"k" + std::to_string(item) + "\"";
}

/// The record of one item of "work", with the row of the item.
inline Batch record(const Claim& claim, ItemId item, const std::string& value, bool replaces = false) {
  Batch batch;
  const std::string key = key_of(item);
  const StageTable& table = claim.stages[1];
  if (!replaces) batch.items.push_back({table.space, item, 0, 0, key});
  UnitRow unit;
  unit.table = table.units;
  unit.checkpoint = {item, 7, value.size() > 60'000 ? Value::blob(value) : Value::json("\"" + value + "\""),
                     0, 5};
  unit.key_hash = hash64(key);
  unit.replaces = replaces;
  batch.units.push_back(std::move(unit));
  return batch;
}

/// What is recorded of "work" by run `number`: "key=value" in order.
inline std::vector<std::string> results(RunStore& store, std::int64_t table, std::int64_t number) {
  std::vector<std::string> found;
  store.reader()->results(table, number, [&](const std::string& key, const Value& value) {
    found.push_back(key + "=" + std::string(value.bytes()));
  });
  return found;
}

/// A finished run with `count` items, a large value among them, a failure and a warning.
inline Claim fill(const std::string& path, int count = 5, bool end = true) {
  const auto store = open_store(path);
  const Claim claim = store->begin_run(two_stages());
  for (int i = 1; i <= count; ++i) store->append(record(claim, i, "value" + std::to_string(i)));
  store->append(record(claim, count + 1, std::string(70'000, 'x')));
  Batch more;
  more.failures.push_back({"work", "\"bad\"", "code", "ValueError", "bad", "trace", 1});
  more.events.push_back({"warning", "work", R"({"key":"","text":"careful"})"});
  more.stages.push_back({1, "work", "map", "succeeded", count, count, 0, 0, 0, 0.5, 1, 2, "{}"});
  more.samples.push_back({1000, 10});
  store->append(std::move(more));
  store->flush();
  if (end) store->end_run("succeeded", "");
  return claim;
}

}  // namespace headrace::test
