#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace headrace::text {

/// One line of a break test file of the Unicode Character Database.
struct BreakCase {
  std::string line;
  std::vector<uint32_t> text;
  std::vector<int64_t> breaks;
};

/// The cases of tests/fixtures/unicode/`name`.
inline std::vector<BreakCase> read_break_file(const std::string& name) {
  std::ifstream file(std::string(HEADRACE_SOURCE_DIR "/tests/fixtures/unicode/") + name);
  std::vector<BreakCase> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    BreakCase found{line, {}, {}};
    for (std::string word; words >> word;) {
      if (word == "÷") {
        found.breaks.push_back(static_cast<int64_t>(found.text.size()));
      } else if (word != "×") {
        found.text.push_back(static_cast<uint32_t>(std::stoul(word, nullptr, 16)));
      }
    }
    if (!found.text.empty()) cases.push_back(found);
  }
  return cases;
}

}  // namespace headrace::text
