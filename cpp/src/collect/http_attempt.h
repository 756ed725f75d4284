#pragma once

#include <string>

#include "curl_driver.h"
#include "headrace/collect/http.h"
#include "http_url.h"
#include "reactor.h"

namespace headrace::collect {

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// The options in the form that libcurl takes; shared by all requests, never changed.
struct HttpRequest {
  explicit HttpRequest(HttpOptions options);

  HttpOptions options;
  bool repeatable;  ///< doing it twice is the same as doing it once
  std::unique_ptr<curl_slist, FreeList> headers;
};

/// One request to one URL, redirects included.
class HttpAttempt : public Attempt, private Transfer {
 public:
  /// `url` empty: the target is no URL.
  HttpAttempt(Reactor& reactor, Clock::time_point deadline, CurlDriver& driver, const HttpRequest& request,
              const std::string& target, const std::optional<HttpUrl>& url)
      : Attempt(reactor, deadline), driver_(driver), request_(request), target_(target), url_(url) {}
  ~HttpAttempt() override;

  void on_ready(int fd, uint32_t events) override {}  // the driver watches

 protected:
  void start() override;
  void stop(StopReason reason) override;

 private:
  static size_t on_body(char* data, size_t size, size_t count, void* self);
  static size_t on_header(char* data, size_t size, size_t count, void* self);
  void completed(CURLcode code) override;

  void prepare();
  void prepare_body();
  void send(const char* url);
  void withdraw();
  bool keep(const char* data, size_t size);
  void add_header(std::string_view line);
  bool redirected();
  void report_status(int status);
  void report_failure(CURLcode code);
  bool connected() const;

  CurlDriver& driver_;
  const HttpRequest& request_;
  const std::string& target_;
  const std::optional<HttpUrl>& url_;
  EasyHandle easy_;
  bool sending_ = false;
  bool over_limit_ = false;
  int redirects_ = 0;
  char error_text_[CURL_ERROR_SIZE] = "";
};

}  // namespace headrace::collect
