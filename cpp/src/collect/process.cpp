#include "headrace/collect/process.h"

#include <sys/stat.h>
#include <unistd.h>

#include "headrace/base/error.h"
#include "parallel.h"
#include "process_attempt.h"

namespace headrace::collect {

namespace {

Environment own_environment() {
  Environment entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=', 1);
    if (equals != std::string::npos) entries.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return entries;
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

void check(const ProcessOptions& options) {
  options.validate();
  if (!(options.grace >= 0 && options.grace <= 3600))
    throw ConfigurationError("grace must be a number of seconds, at least 0");
  struct stat status{};
  if (!options.cwd.empty() && (::stat(options.cwd.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))) {
    throw ConfigurationError("cwd '" + options.cwd + "' is not a folder");
  }
  if (!options.env) return;
  for (const auto& [name, value] : *options.env) {
    const bool valid =
        !name.empty() && name.find('=') == std::string::npos && !has_nul(name) && !has_nul(value);
    if (!valid)
      throw ConfigurationError("env: '" + name +
                               "' is not a variable's name, or it or its value holds a NUL byte");
  }
}

void check(const Command& command) {
  if (command.empty() || command.front().empty()) {
    throw ConfigurationError("a command is empty: give the program and its arguments as a list of strings");
  }
  for (const std::string& word : command) {
    if (has_nul(word))
      throw ConfigurationError("command '" + command.front() + "': an argument holds a NUL byte");
  }
}

std::string joined(const Command& command) {
  std::string text;
  for (const std::string& word : command) text += (text.empty() ? "" : " ") + word;
  return text;
}

class ProcessWorkload : public Workload {
 public:
  ProcessWorkload(const std::vector<Command>& commands, ProcessPool& pool)
      : commands_(commands), pool_(pool), shared_(pool.take()) {}
  ~ProcessWorkload() override { pool_.give_back(std::move(shared_)); }

  int64_t size() const override { return static_cast<int64_t>(commands_.size()); }
  std::string name(int64_t index) const override { return joined(commands_[index]); }
  std::unique_ptr<Attempt> make(int64_t index, Reactor& reactor, Clock::time_point deadline) override {
    return std::make_unique<ProcessAttempt>(reactor, deadline, *shared_, commands_[index]);
  }

  void end_round() override { shared_->trees().flush(); }

 private:
  const std::vector<Command>& commands_;
  ProcessPool& pool_;
  std::unique_ptr<ProcessShared> shared_;
};

}  // namespace

ProcessCollector::ProcessCollector(ProcessOptions options) {
  check(options);
  const bool marked = !options.env;
  if (marked) options.env = own_environment();
  pool_ = std::make_shared<ProcessPool>(std::move(options), marked);
}

void ProcessCollector::collect(const std::vector<Command>& commands, OutcomeSink& sink,
                               const CancelToken& cancel) const {
  for (const Command& command : commands) check(command);
  const auto make = [&] { return std::make_unique<ProcessWorkload>(commands, *pool_); };
  collect_in_parallel(make, static_cast<int64_t>(commands.size()), pool_->options(), sink, cancel);
}

Outcome ProcessCollector::run(const Command& command, const CancelToken& cancel) const {
  Outcome result;
  CallbackSink sink([&result](Outcome outcome) { result = std::move(outcome); });
  collect({command}, sink, cancel);
  return result;
}

std::unique_ptr<OutcomeStream> ProcessCollector::stream(std::vector<Command> commands,
                                                        int64_t capacity) const {
  for (const Command& command : commands) check(command);
  auto work = [collector = *this, commands = std::move(commands)](OutcomeSink& sink,
                                                                  const CancelToken& cancel) {
    collector.collect(commands, sink, cancel);
  };
  return std::make_unique<OutcomeStream>(std::move(work), capacity);
}

}  // namespace headrace::collect
