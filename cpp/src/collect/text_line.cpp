#include "text_line.h"

#include <algorithm>
#include <cstdio>

namespace headrace::collect {

namespace {

constexpr size_t kLongest = 200;
constexpr std::string_view kBlank = " \t\r\n\f\v";

}  // namespace

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  while (!line.empty() && kBlank.find(line.back()) != std::string_view::npos) line.pop_back();
  return line;
}

std::string last_line(std::string_view text) {
  const size_t end = text.find_last_not_of(kBlank);
  if (end == std::string_view::npos) return "";
  text = text.substr(0, end + 1);
  const size_t start = text.find_last_of("\r\n");
  return one_line(start == std::string_view::npos ? text : text.substr(start + 1));
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

}  // namespace headrace::collect
