#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headrace::collect {

/// Why a target has no good answer. The names (`error_type_name`) are what Python, tables and stores show.
enum class ErrorType {
  kNone,
  kUnreachable,
  kHostKey,
  kAuth,
  kTimeout,
  kExit,
  kOutputLimit,
  kProtocol,
  kCancelled
};

/// "unreachable", "host_key", ...; "" for kNone.
std::string_view error_type_name(ErrorType type) noexcept;

/// What one of several commands of one SSH session answered.
struct CommandOutput {
  std::string command;
  std::string std_out;
  std::string std_err;
  std::optional<int> exit_code;
};

/// The one answer that every target gets, whatever happens to the others. A value: no resource hangs on it.
struct Outcome {
  int64_t index = 0;    ///< position of the target in the list that was given
  std::string target;   ///< host, URL, or the command's words joined by blanks
  bool ok = false;      ///< the whole answer is here and the target said that it went well
  std::string std_out;  ///< bytes as received, also those before a failure; HTTP: the body
  std::string std_err;
  std::optional<int> exit_code;  ///< HTTP: the status; a process killed by signal N: -N
  ErrorType error_type = ErrorType::kNone;
  std::string message;  ///< one line: what went wrong and how to mend it; empty when ok
  double seconds = 0;   ///< from the first attempt's start to the last one's end, pauses included
  int attempts = 0;
  bool transient = false;               ///< trying again may help: such failures, and no others, are retried
  double retry_after_s = 0;             ///< the least pause that the server asked for
  std::vector<CommandOutput> commands;  ///< SSH, several commands: one for each that was run
  std::vector<std::pair<std::string, std::string>>
      headers;  ///< HTTP: lower-case names, in the order received

  /// Turns this into a failure; what was received so far stays.
  void fail(ErrorType type, std::string text, bool may_help_to_retry = false);
};

}  // namespace headrace::collect
