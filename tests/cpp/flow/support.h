#pragma once

#include <memory>
#include <utility>

#include "../store/support.h"
#include "headrace/flow/runner.h"

namespace headrace::test {

/// A folder with a store in it, and runs there.
class Runs : public Folder {
 protected:
  std::unique_ptr<Runner> start(const Pipeline& pipeline, RunOptions options = {}) {
    auto runner = std::make_unique<Runner>(pipeline, open_store(path()), std::move(options));
    runner->start();
    return runner;
  }
  std::unique_ptr<Runner> run(const Pipeline& pipeline, RunOptions options = {}) {
    auto runner = start(pipeline, std::move(options));
    EXPECT_TRUE(runner->wait(60));
    runner->join();
    return runner;
  }
};

}  // namespace headrace::test
