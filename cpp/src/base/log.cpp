#include "headrace/base/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include <utility>

namespace headrace {

namespace {

class LinesSink
    : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {  // LogLines has a lock of its own
 public:
  explicit LinesSink(std::shared_ptr<LogLines> lines) : lines_(std::move(lines)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_->put(static_cast<int>(message.level), std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  std::shared_ptr<LogLines> lines_;
};

}  // namespace

void LogLines::put(int level, std::string text) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() == most_) {
    lines_.pop_front();
    ++dropped_;
  }
  lines_.push_back({level, std::move(text)});
}

std::vector<LogLine> LogLines::take() {
  const std::lock_guard lock(mutex_);
  std::vector<LogLine> taken;
  if (dropped_ > 0)
    taken.push_back({3, std::to_string(dropped_) + " log lines were dropped: too many at once"});
  dropped_ = 0;
  taken.insert(taken.end(), std::make_move_iterator(lines_.begin()), std::make_move_iterator(lines_.end()));
  lines_.clear();
  return taken;
}

Log LogLines::log(std::shared_ptr<LogLines> lines) {
  return std::make_shared<spdlog::logger>("headrace", std::make_shared<LinesSink>(std::move(lines)));
}

}  // namespace headrace
