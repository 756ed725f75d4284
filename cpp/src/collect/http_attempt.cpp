#include "http_attempt.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "text_line.h"

namespace headrace::collect {

namespace {

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaderBytes = 256 * 1024;

template <size_t N>
bool one_of(int value, const std::array<int, N>& values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool is_repeatable(const std::string& method) {
  return method != "POST" && method != "PATCH" && method != "CONNECT";
}

// "Name;" is how libcurl is told of a header without a value; "Name:" would take the header out.
std::string header_line(const std::pair<std::string, std::string>& header) {
  return header.second.empty() ? header.first + ";" : header.first + ": " + header.second;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// libcurl would otherwise call a body an HTML form, and wait for the server's consent to a long one.
void add_unless_given(curl_slist*& list, const HttpOptions& options, const char* name) {
  for (const auto& [given, value] : options.headers) {
    if (curl_strequal(given.c_str(), name)) return;
  }
  list = curl_slist_append(list, (std::string(name) + ":").c_str());
}

}  // namespace

HttpRequest::HttpRequest(HttpOptions given)
    : options(std::move(given)), repeatable(is_repeatable(options.method)) {
  curl_slist* list = nullptr;
  for (const auto& header : options.headers) list = curl_slist_append(list, header_line(header).c_str());
  if (options.body) {
    add_unless_given(list, options, "Content-Type");
    add_unless_given(list, options, "Expect");
  }
  headers.reset(list);
}

HttpAttempt::~HttpAttempt() {
  withdraw();
  if (easy_) driver_.give_back(std::move(easy_));
}

void HttpAttempt::start() {
  if (!url_) {
    outcome.fail(ErrorType::kUnreachable, "not a URL of http or https: '" + one_line(target_) + "'");
    return finish();
  }
  easy_ = driver_.take_handle();
  prepare();
  send(target_.c_str());
}

void HttpAttempt::prepare() {
  CURL* easy = easy_.get();
  const HttpOptions& options = request_.options;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "headrace");
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");             // all that this libcurl can undo
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 0x7fffffffL);  // the deadline is ours
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request_.headers.get());
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  prepare_body();
}

void HttpAttempt::prepare_body() {
  CURL* easy = easy_.get();
  const HttpOptions& options = request_.options;
  if (options.body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(options.body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, options.body->c_str());
  }
  if (options.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (options.method != "GET" || options.body) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options.method.c_str());
  }
}

void HttpAttempt::send(const char* url) {
  curl_easy_setopt(easy_.get(), CURLOPT_URL, url);
  sending_ = true;
  driver_.add(easy_.get(), this);
}

void HttpAttempt::withdraw() {
  if (sending_) driver_.remove(easy_.get());
  sending_ = false;
}

void HttpAttempt::stop(StopReason reason) {
  const bool reached = connected();
  withdraw();
  const std::string after = seconds_text(request_.options.timeout);
  if (reason == StopReason::kCancelled) {
    outcome.fail(ErrorType::kCancelled, "cancelled while it was under way");
  } else if (!reached) {
    outcome.fail(ErrorType::kUnreachable, "no connection after " + after, true);
  } else {
    outcome.fail(ErrorType::kTimeout, "not answered in full after " + after + "; raise timeout",
                 request_.repeatable);
  }
  finish();
}

bool HttpAttempt::connected() const {
  curl_off_t connect = 0;
  curl_off_t request = 0;  // on a kept connection only this one is told
  curl_easy_getinfo(easy_.get(), CURLINFO_CONNECT_TIME_T, &connect);
  curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &request);
  return connect > 0 || request > 0;
}

size_t HttpAttempt::on_body(char* data, size_t size, size_t count, void* self) {
  return static_cast<HttpAttempt*>(self)->keep(data, size * count) ? size * count : 0;
}

bool HttpAttempt::keep(const char* data, size_t size) {
  const auto room = static_cast<size_t>(request_.options.max_output) - outcome.std_out.size();
  outcome.std_out.append(data, std::min(size, room));
  over_limit_ = size > room;
  return !over_limit_;
}

size_t HttpAttempt::on_header(char* data, size_t size, size_t count, void* self) {
  auto& attempt = *static_cast<HttpAttempt*>(self);
  attempt.add_header(std::string_view(data, size * count));
  return size * count;
}

void HttpAttempt::add_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // a further answer: after a redirect, or after "100 Continue"
    outcome.headers.clear();
    outcome.std_out.clear();
    return;
  }
  const size_t colon = line.find(':');
  size_t held = 0;
  for (const auto& [name, value] : outcome.headers) held += name.size() + value.size();
  if (colon == std::string_view::npos || held + line.size() > kMaxHeaderBytes) return;
  std::string name(trimmed(line.substr(0, colon)));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  outcome.headers.emplace_back(std::move(name), trimmed(line.substr(colon + 1)));
}

void HttpAttempt::completed(CURLcode code) {
  withdraw();
  if (code == CURLE_OK && redirected()) return;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status > 0) outcome.exit_code = static_cast<int>(status);
  if (over_limit_) {
    const std::string limit = std::to_string(request_.options.max_output);
    outcome.fail(ErrorType::kOutputLimit,
                 "more than " + limit + " bytes of body; raise max_output or ask for less");
  } else if (code != CURLE_OK) {
    report_failure(code);
  } else {
    report_status(static_cast<int>(status));
  }
  finish();
}

// True: the next request is under way.
bool HttpAttempt::redirected() {
  const std::string& method = request_.options.method;
  char* location = nullptr;
  curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &location);
  if (location == nullptr || (method != "GET" && method != "HEAD") || request_.options.body) return false;
  const std::string url = location;
  const auto to = parse_http_url(url);
  const bool secret = !request_.options.headers.empty() || url_->has_credentials;
  if (!to || (secret && !same_place(*url_, *to)) || redirects_++ == kMaxRedirects) return false;
  outcome.std_out.clear();
  send(url.c_str());
  return true;
}

void HttpAttempt::report_status(int status) {
  if (status >= 200 && status < 300) {
    outcome.ok = true;
    return;
  }
  curl_off_t retry_after = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &retry_after);
  outcome.retry_after_s = static_cast<double>(retry_after);
  constexpr std::array kTransient = {408, 425, 429, 500, 502, 503, 504};
  const bool not_begun = status == 429 || (status == 503 && retry_after > 0);
  const bool patient = outcome.retry_after_s <= request_.options.max_retry_after;
  const bool transient = one_of(status, kTransient) && (request_.repeatable || not_begun) && patient;
  std::string text = "HTTP status " + std::to_string(status);
  if (retry_after > 0) text += ", to be tried again in " + seconds_text(outcome.retry_after_s);
  if (status >= 300 && status < 400) text += ": a redirect that was not followed; ask for the new URL itself";
  const ErrorType type = status == 401 || status == 407 ? ErrorType::kAuth : ErrorType::kExit;
  outcome.fail(type, text, transient);
}

void HttpAttempt::report_failure(CURLcode code) {
  const std::string text = one_line(error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code));
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return outcome.fail(ErrorType::kUnreachable, text, true);
    case CURLE_URL_MALFORMAT:
      return outcome.fail(ErrorType::kUnreachable, text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      return outcome.fail(ErrorType::kHostKey, text);
    case CURLE_LOGIN_DENIED:
    case CURLE_SSL_CERTPROBLEM:
      return outcome.fail(ErrorType::kAuth, text);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return outcome.fail(ErrorType::kProtocol, text, request_.repeatable);
    default:
      return outcome.fail(ErrorType::kProtocol, text);
  }
}

}  // namespace headrace::collect
