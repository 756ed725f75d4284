#pragma once

#include <string>
#include <string_view>

namespace headrace::collect {

/// The last line of a text that says something, fit for a message: at most 200 bytes, no control characters.
std::string last_line(std::string_view text);

/// `text` as one line that is fit for a message.
std::string one_line(std::string_view text);

/// "5 s", "0.5 s".
std::string seconds_text(double seconds);

}  // namespace headrace::collect
