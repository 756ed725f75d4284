// A pipeline in C++ alone that kills itself half-way and goes on where it was.
//
// The child process runs the pipeline and sends itself SIGKILL while item 15,000 is in work; the parent then
// runs the same pipeline on the same store. What had been recorded is not run again.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "headrace/flow/native.h"
#include "headrace/flow/runner.h"

using namespace headrace;
using native::Json;

namespace {

constexpr int kItems = 20000;

Pipeline squares(bool kill_half_way, std::atomic<int>& executed) {
  Pipeline pipeline("squares");
  pipeline.add(native::source("numbers", [](const Context&) {
    return [next = 0]() mutable -> std::optional<std::pair<std::string, Json>> {
      if (next == kItems) return std::nullopt;
      const int number = next++;
      return std::pair{std::to_string(number), Json(number)};
    };
  }));
  pipeline.add(native::map("square", "numbers", [=, &executed](const Context&, const Json& number) {
    if (kill_half_way && number == 15000) ::kill(::getpid(), SIGKILL);
    ++executed;
    return Json(number.get<int>() * number.get<int>());
  }));
  return pipeline;
}

RunStatus run(const Pipeline& pipeline, const std::string& store) {
  Runner runner(pipeline, open_store(store), {});
  runner.start();
  runner.wait();
  return runner.status();
}

}  // namespace

int main() {
  const auto folder =
      std::filesystem::temp_directory_path() / ("headrace-example-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string store = folder / "runs.db";
  std::atomic<int> executed{0};

  if (::fork() == 0) {
    run(squares(true, executed), store);
    ::_exit(0);  // not reached
  }
  int outcome = 0;
  ::wait(&outcome);
  const bool killed = WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGKILL;

  const RunStatus status = run(squares(false, executed), store);
  std::printf("the first process was %s; the second executed %d of %d items: %s\n",
              killed ? "killed" : "not killed", executed.load(), kItems, status_name(status));
  std::filesystem::remove_all(folder);
  return killed && status == RunStatus::kSucceeded && executed < kItems ? 0 : 1;
}
