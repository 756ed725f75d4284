#include "headrace/collect/outcome.h"

namespace headrace::collect {

std::string_view error_type_name(ErrorType type) noexcept {
  switch (type) {
    case ErrorType::kNone:
      return "";
    case ErrorType::kUnreachable:
      return "unreachable";
    case ErrorType::kHostKey:
      return "host_key";
    case ErrorType::kAuth:
      return "auth";
    case ErrorType::kTimeout:
      return "timeout";
    case ErrorType::kExit:
      return "exit";
    case ErrorType::kOutputLimit:
      return "output_limit";
    case ErrorType::kProtocol:
      return "protocol";
    case ErrorType::kCancelled:
      return "cancelled";
  }
  return "";
}

void Outcome::fail(ErrorType type, std::string text, bool may_help_to_retry) {
  ok = false;
  error_type = type;
  message = std::move(text);
  transient = may_help_to_retry;
}

}  // namespace headrace::collect
