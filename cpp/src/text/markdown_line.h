#pragma once

#include <cstdint>

#include "headrace/text/chunk_list.h"
#include "scanner.h"

namespace headrace::text {

/// One line of Markdown, and what it looks like by itself.
template <class Code>
struct MarkdownLine {
  const Scanner<Code>* text;
  int64_t start;   // of the line
  int64_t first;   // its first character that is no blank
  int64_t stop;    // behind its last character, without the line feed
  int64_t next;    // start of the next line
  int64_t indent;  // columns before `first`

  MarkdownLine(const Scanner<Code>& source, int64_t at) : text(&source), start(at), first(at), indent(0) {
    stop = source.kernels().first_line_feed(source.data(), at, source.size());
    next = stop < source.size() ? stop + 1 : stop;
    if (stop > start && source[stop - 1] == '\r') --stop;
    for (; first < stop && (source[first] == ' ' || source[first] == '\t'); ++first) {
      indent += source[first] == '\t' ? 4 - indent % 4 : 1;
    }
  }

  bool is_empty() const { return first == stop; }
  Code at(int64_t position) const { return position < stop ? (*text)[position] : Code{'\n'}; }
  bool blank_at(int64_t position) const {
    return position >= stop || (*text)[position] == ' ' || (*text)[position] == '\t';
  }

  /// How often `mark` stands at `position` and after.
  int64_t run_of(Code mark, int64_t position) const {
    int64_t count = 0;
    while (at(position + count) == mark && position + count < stop) ++count;
    return count;
  }

  /// Nothing but blanks from `position` on.
  bool ends_at(int64_t position) const {
    while (position < stop && blank_at(position)) ++position;
    return position == stop;
  }

  /// 1 to 6 for `# heading`, else 0.
  int heading_level() const {
    if (indent > 3 || at(first) != '#') return 0;
    const int64_t marks = run_of('#', first);
    return marks <= 6 && blank_at(first + marks) ? static_cast<int>(marks) : 0;
  }

  /// 1 or 2 for a line of `=` or `-` under a heading, else 0.
  int underline_level() const {
    const Code mark = at(first);
    if (indent > 3 || (mark != '=' && mark != '-') || !ends_at(first + run_of(mark, first))) return 0;
    return mark == '=' ? 1 : 2;
  }

  /// Length of the fence that opens a code block, else 0.
  int64_t fence() const {
    const Code mark = at(first);
    if (mark != '`' && mark != '~') return 0;
    const int64_t length = run_of(mark, first);
    if (length < 3) return 0;
    for (int64_t i = first + length; mark == '`' && i < stop; ++i) {
      if (at(i) == '`') return 0;
    }
    return length;
  }

  bool closes_fence(Code mark, int64_t length) const {
    return at(first) == mark && run_of(mark, first) >= length && ends_at(first + run_of(mark, first));
  }

  bool is_rule() const {
    const Code mark = at(first);
    if (indent > 3 || (mark != '*' && mark != '-' && mark != '_')) return false;
    int64_t count = 0;
    for (int64_t i = first; i < stop; ++i) {
      if (at(i) == mark)
        ++count;
      else if (!blank_at(i))
        return false;
    }
    return count >= 3;
  }

  bool is_item() const {
    const Code mark = at(first);
    if (mark == '-' || mark == '*' || mark == '+') return blank_at(first + 1);
    int64_t digits = 0;
    while (digits < 10 && at(first + digits) >= '0' && at(first + digits) <= '9') ++digits;
    const Code after = at(first + digits);
    return digits > 0 && digits < 10 && (after == '.' || after == ')') && blank_at(first + digits + 1);
  }

  /// `|---|:--:|`: the second line of a table.
  bool is_delimiter_row() const {
    bool bar = false;
    bool dash = false;
    for (int64_t i = first; i < stop; ++i) {
      const Code code = at(i);
      bar = bar || code == '|';
      dash = dash || code == '-';
      if (code != '|' && code != '-' && code != ':' && !blank_at(i)) return false;
    }
    return bar && dash;
  }

  bool holds(Code mark) const {
    for (int64_t i = first; i < stop; ++i) {
      if (at(i) == mark) return true;
    }
    return false;
  }

  /// The line's text from `position` on without blanks around it.
  Span trimmed(int64_t position) const {
    int64_t end = stop;
    while (position < end && blank_at(position)) ++position;
    while (end > position && blank_at(end - 1)) --end;
    return {position, end};
  }

  /// The title of `## title ##`.
  Span title() const {
    Span span = trimmed(first + run_of('#', first));
    int64_t end = span.end;
    while (end > span.start && (*text)[end - 1] == '#') --end;
    if (end == span.start) return {end, end};
    if (end < span.end && blank_at(end - 1)) {
      while (end > span.start && blank_at(end - 1)) --end;
      span.end = end;
    }
    return span;
  }
};

}  // namespace headrace::text
