#include "markdown_scan.h"

#include <cstddef>
#include <utility>

#include "markdown_line.h"

namespace headrace::text {

namespace {

template <class Code>
class MarkdownScan {
 public:
  using Line = MarkdownLine<Code>;

  explicit MarkdownScan(const Scanner<Code>& text) : text_(text) {}

  MarkdownOutline run() {
    int64_t at = out_.front_matter_end = front_matter();
    out_.sections.push_back({at, at, -1});
    while (at < text_.size()) {
      const Line line(text_, at);
      at = read(line);
    }
    out_.sections.back().end = text_.size();
    join_sections();
    return std::move(out_);
  }

 private:
  // What the previous line was; a paragraph, a table or a quote goes on until another kind of line comes.
  enum class Kind { kNone, kText, kQuote, kItem };

  // Behind the line that closes it; 0 where the text begins with none.
  int64_t front_matter() const {
    const Line first(text_, text_.size() > 0 && uint32_t{text_[0]} == kByteOrderMark ? 1 : 0);
    const Code mark = first.at(first.first);
    if ((mark != '-' && mark != '+') || first.indent > 0 || first.run_of(mark, first.first) != 3) return 0;
    if (!first.ends_at(first.first + 3)) return 0;
    for (int64_t at = first.next; at < text_.size();) {
      const Line line(text_, at);
      if (line.indent == 0 && line.stop - line.start >= 3 && line.ends_at(line.start + 3)) {
        if (line.run_of(mark, line.start) == 3 || (mark == '-' && line.run_of('.', line.start) == 3))
          return line.next;
      }
      at = line.next;
    }
    return 0;
  }

  // Takes in one line, or a whole block that begins with it; answers where to go on.
  int64_t read(const Line& line) {
    if (line.is_empty()) {
      kind_ = Kind::kNone;
      return line.next;
    }
    const Code mark = line.at(line.first);
    if (mark == '#' && line.heading_level() > 0)
      return heading(line.start, line.heading_level(), line.title(), line.next);
    if (kind_ == Kind::kText && (mark == '=' || mark == '-') && lines_ == 1 && line.underline_level() > 0) {
      return underlined(line);
    }
    if ((mark == '`' || mark == '~') && line.fence() > 0 && (line.indent <= 3 || in_list_)) return code(line);
    if (kind_ == Kind::kText && (mark == '|' || mark == '-' || mark == ':') && line.is_delimiter_row()) {
      const Line header(text_, previous_);
      if (header.holds('|')) return table(header, line);
    }
    return inner(line, mark);
  }

  // Rules, lists, quotes and paragraphs.
  int64_t inner(const Line& line, Code mark) {
    if (line.is_rule()) {
      begin(line.start, MarkdownMark::kBlock);
      kind_ = Kind::kNone;
      in_list_ = false;
    } else if (line.is_item()) {
      const bool inside = in_list_ && line.indent >= 2;
      begin(line.start, inside     ? MarkdownMark::kInnerItem
                        : in_list_ ? MarkdownMark::kItem
                                   : MarkdownMark::kBlock);
      kind_ = Kind::kItem;
      in_list_ = true;
    } else if (mark == '>') {
      if (kind_ != Kind::kQuote) begin(line.start, MarkdownMark::kBlock);
      kind_ = Kind::kQuote;
      in_list_ = false;
    } else {
      paragraph(line);
    }
    return line.next;
  }

  void paragraph(const Line& line) {
    if (kind_ == Kind::kNone) {
      in_list_ = in_list_ && line.indent >= 2;
      begin(line.start, in_list_ ? MarkdownMark::kInnerItem : MarkdownMark::kBlock);
      kind_ = Kind::kText;
      lines_ = 0;
    }
    ++lines_;
    previous_ = line.start;
  }

  void begin(int64_t at, int rank) { out_.marks.push_back({at, rank}); }

  int64_t heading(int64_t start, int level, Span title, int64_t next) {
    while (!open_.empty() && out_.headings[open_.back()].level >= level) open_.pop_back();
    const int64_t parent = open_.empty() ? -1 : static_cast<int64_t>(open_.back());
    open_.push_back(out_.headings.size());
    out_.headings.push_back({title, level, parent});
    out_.sections.back().end = start;
    out_.sections.push_back({start, start, static_cast<int64_t>(open_.back())});
    bodies_.push_back(next);
    kind_ = Kind::kNone;
    in_list_ = false;
    return next;
  }

  int64_t underlined(const Line& line) {
    const Line above(text_, previous_);
    out_.marks.pop_back();
    return heading(above.start, line.underline_level(), above.trimmed(above.start), line.next);
  }

  int64_t code(const Line& fence) {
    const Code mark = fence.at(fence.first);
    const int64_t length = fence.fence();
    begin(fence.start, in_list_ && fence.indent >= 2 ? MarkdownMark::kInnerItem : MarkdownMark::kBlock);
    int64_t at = fence.next;
    while (at < text_.size()) {
      const Line line(text_, at);
      at = line.next;
      if (line.closes_fence(mark, length)) break;
    }
    out_.blocks.push_back({fence.start, at, fence.next, fence.trimmed(fence.first + length), false,
                           text_.trim_end(fence.start, at)});
    kind_ = Kind::kNone;
    return at;
  }

  // Until an empty line, or one that begins something else.
  int64_t table(const Line& header, const Line& delimiter) {
    if (lines_ > 1) begin(header.start, MarkdownMark::kBlock);
    int64_t at = delimiter.next;
    while (at < text_.size()) {
      const Line line(text_, at);
      if (line.is_empty() || line.heading_level() > 0 || line.fence() > 0 || line.at(line.first) == '>')
        break;
      at = line.next;
    }
    out_.blocks.push_back({header.start, at, delimiter.next, {}, true, text_.trim_end(header.start, at)});
    kind_ = Kind::kNone;
    return at;
  }

  // A heading with nothing under it but a deeper one belongs to that one's section.
  void join_sections() {
    std::vector<MarkdownSection> joined;
    for (const MarkdownSection& section : out_.sections) {
      const bool under = !joined.empty() && joined.back().heading >= 0 && section.heading >= 0 &&
                         out_.headings[static_cast<size_t>(section.heading)].parent == joined.back().heading;
      if (under && is_bare(joined.back())) {
        joined.back() = {joined.back().start, section.end, section.heading};
      } else {
        joined.push_back(section);
      }
    }
    out_.sections = std::move(joined);
  }

  bool is_bare(const MarkdownSection& section) const {
    return text_.skip_blanks(bodies_[static_cast<size_t>(section.heading)]) >= section.end;
  }

  static constexpr uint32_t kByteOrderMark = 0xFEFF;

  const Scanner<Code>& text_;
  MarkdownOutline out_;
  std::vector<size_t> open_;     // headings that the current line stands under
  std::vector<int64_t> bodies_;  // where the text under each heading begins
  Kind kind_ = Kind::kNone;
  bool in_list_ = false;
  int64_t lines_ = 0;     // of the current paragraph so far
  int64_t previous_ = 0;  // start of its last line
};

}  // namespace

template <class Code>
MarkdownOutline scan_markdown(const Scanner<Code>& text) {
  return MarkdownScan<Code>(text).run();
}

template MarkdownOutline scan_markdown(const Scanner<uint8_t>&);
template MarkdownOutline scan_markdown(const Scanner<uint16_t>&);
template MarkdownOutline scan_markdown(const Scanner<uint32_t>&);

}  // namespace headrace::text
