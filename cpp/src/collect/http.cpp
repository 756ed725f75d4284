#include "headrace/collect/http.h"

#include <cmath>
#include <mutex>

#include "dispatcher.h"
#include "headrace/base/error.h"
#include "headrace/collect/rate_limiter.h"
#include "http_attempt.h"

namespace headrace::collect {

namespace {

constexpr std::string_view kTokenSigns = "!#$%&'*+-.^_`|~";

bool is_token(const std::string& text) {
  for (const char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && kTokenSigns.find(c) == std::string_view::npos)
      return false;
  }
  return !text.empty();
}

void check(const HttpOptions& options) {
  options.validate();
  if (!is_token(options.method))
    throw ConfigurationError("method '" + options.method + "' is not an HTTP method");
  for (const auto& [name, value] : options.headers) {
    const bool valid = is_token(name) && value.find_first_of(std::string("\r\n\0", 3)) == std::string::npos;
    if (!valid)
      throw ConfigurationError("header '" + name + "': not a header's name, or a line break in its value");
  }
  const auto positive = [](double value) { return value >= 0 && std::isfinite(value); };
  if (!positive(options.rate) || (options.rate > 0 && options.rate < 1e-6)) {
    throw ConfigurationError("rate must be a number of requests a second above 0");
  }
  if (options.burst < 1) throw ConfigurationError("burst must be at least 1");
  if (!positive(options.max_retry_after))
    throw ConfigurationError("max_retry_after must be a number of seconds, at least 0");
}

}  // namespace

class HttpShared {
 public:
  explicit HttpShared(HttpOptions options)
      : request(std::move(options)), limiter(request.options.rate, request.options.burst) {}

  std::unique_ptr<CurlDriver> take_driver() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<CurlDriver>(request.options.workers);
    auto driver = std::move(idle.back());
    idle.pop_back();
    return driver;
  }
  void give_back(std::unique_ptr<CurlDriver> driver) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(driver));
  }

  const HttpRequest request;
  std::mutex mutex;
  RateLimiter limiter;                            // under the mutex
  std::vector<std::unique_ptr<CurlDriver>> idle;  // under the mutex
};

namespace {

struct HttpTarget {
  std::string given;
  std::optional<HttpUrl> url;
  std::optional<Clock::time_point> slot;  // the token that it holds
};

class HttpWorkload : public Workload {
 public:
  HttpWorkload(const std::vector<std::string>& urls, HttpShared& shared)
      : shared_(shared), driver_(shared.take_driver()) {
    targets_.reserve(urls.size());
    for (const std::string& url : urls) targets_.push_back({url, parse_http_url(url), std::nullopt});
  }
  ~HttpWorkload() override { shared_.give_back(std::move(driver_)); }

  int64_t size() const override { return static_cast<int64_t>(targets_.size()); }
  std::string name(int64_t index) const override { return targets_[index].given; }
  void attach(Reactor& reactor) override { driver_->attach(reactor); }
  void detach() override { driver_->detach(); }
  std::unique_ptr<Attempt> make(int64_t index, Reactor& reactor, Clock::time_point deadline) override {
    const HttpTarget& target = targets_[index];
    return std::make_unique<HttpAttempt>(reactor, deadline, *driver_, shared_.request, target.given,
                                         target.url);
  }

  Clock::time_point not_before(int64_t index, Clock::time_point now) override {
    HttpTarget& target = targets_[index];
    if (!target.url) return now;
    const std::string host = target.url->authority();
    const std::lock_guard lock(shared_.mutex);
    if (!target.slot) target.slot = shared_.limiter.reserve(host, now);
    if (*target.slot > now) return *target.slot;
    target.slot.reset();
    if (shared_.limiter.open_at(host, now) <= now) return now;
    target.slot = shared_.limiter.reserve(host, now);  // the host asked for a pause meanwhile
    return *target.slot;
  }

  void ended(int64_t index, const Outcome& outcome, Clock::time_point now) override {
    const double pause = outcome.retry_after_s;
    if (pause <= 0 || pause > shared_.request.options.max_retry_after) return;
    const auto until =
        now + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(pause));
    const std::lock_guard lock(shared_.mutex);
    shared_.limiter.pause(targets_[index].url->authority(), until);
  }

 private:
  HttpShared& shared_;
  std::unique_ptr<CurlDriver> driver_;
  std::vector<HttpTarget> targets_;
};

}  // namespace

HttpCollector::HttpCollector(HttpOptions options) {
  check(options);
  shared_ = std::make_shared<HttpShared>(std::move(options));
}

void HttpCollector::collect(const std::vector<std::string>& urls, OutcomeSink& sink,
                            const CancelToken& cancel) const {
  HttpWorkload workload(urls, *shared_);
  Targets targets(workload.size());
  Dispatcher(workload, targets, shared_->request.options, sink, cancel).run();
}

Outcome HttpCollector::run(const std::string& url, const CancelToken& cancel) const {
  Outcome result;
  CallbackSink sink([&result](Outcome outcome) { result = std::move(outcome); });
  collect({url}, sink, cancel);
  return result;
}

std::unique_ptr<OutcomeStream> HttpCollector::stream(std::vector<std::string> urls, int64_t capacity) const {
  auto work = [collector = *this, urls = std::move(urls)](OutcomeSink& sink, const CancelToken& cancel) {
    collector.collect(urls, sink, cancel);
  };
  return std::make_unique<OutcomeStream>(std::move(work), capacity);
}

}  // namespace headrace::collect
