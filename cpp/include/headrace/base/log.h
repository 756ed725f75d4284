#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace spdlog {
class logger;
}

namespace headrace {

/// Where a run tells what happens, one line an event; any spdlog logger will do. Empty: nobody is told.
using Log = std::shared_ptr<spdlog::logger>;

struct LogLine {
  int level;  ///< spdlog's: 2 info, 3 warning, 4 error
  std::string text;
};

/// Log lines kept until somebody takes them: for a host whose own log must not be called from any thread.
/// Any thread may log and take. Past `most` lines the oldest go, and the next line taken says how many.
class LogLines {
 public:
  explicit LogLines(std::size_t most = 10'000) : most_(most) {}

  void put(int level, std::string text);
  std::vector<LogLine> take();

  /// A logger that puts its lines into `lines`.
  static Log log(std::shared_ptr<LogLines> lines);

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::deque<LogLine> lines_;
  std::int64_t dropped_ = 0;
};

}  // namespace headrace
