#include "headrace/collect/http.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <set>

#include "headrace/base/error.h"
#include "scripted_server.h"
#include "support.h"

namespace headrace::collect {

namespace {

HttpOptions quick(double timeout = 5) {
  HttpOptions options;
  options.timeout = timeout;
  return options;
}

Outcome get(const std::string& url, HttpOptions options = quick()) {
  return HttpCollector(std::move(options)).run(url);
}

std::string header(const Outcome& outcome, const std::string& name) {
  for (const auto& [given, value] : outcome.headers) {
    if (given == name) return value;
  }
  return "";
}

}  // namespace

TEST(Http, AnswerIsBodyStatusAndHeaders) {
  ScriptedServer server(
      http_handler([](const std::string&) { return http_answer(200, "hello", "X-Thing:  a b \r\n"); }));
  const Outcome outcome = get(server.url("/"));
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.std_out, "hello");
  EXPECT_EQ(outcome.exit_code, 200);
  EXPECT_EQ(header(outcome, "x-thing"), "a b");
  EXPECT_EQ(outcome.target, server.url("/"));
}

TEST(Http, ConnectionsAreKeptFromCallToCall) {
  ScriptedServer server(http_handler([](const std::string&) { return http_answer(200, "x"); }));
  const HttpCollector collector(quick());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(collector.run(server.url("/")).ok);
  EXPECT_EQ(server.accepted(), 1);
  HttpOptions options = quick();
  options.workers = 4;
  const HttpCollector parallel(options);
  Gather gather(100);
  parallel.collect(std::vector<std::string>(100, server.url("/")), gather);
  EXPECT_LE(server.accepted(), 5);
}

TEST(Http, StatusesHaveTheirCategory) {
  ScriptedServer server(http_handler([](const std::string& request) {
    return http_answer(std::stoi(request.substr(request.find('/') + 1)), "why");
  }));
  const std::map<int, std::pair<ErrorType, bool>> expected = {
      {400, {ErrorType::kExit, false}}, {401, {ErrorType::kAuth, false}}, {404, {ErrorType::kExit, false}},
      {407, {ErrorType::kAuth, false}}, {429, {ErrorType::kExit, true}},  {500, {ErrorType::kExit, true}},
      {501, {ErrorType::kExit, false}}, {503, {ErrorType::kExit, true}}};
  for (const auto& [status, failure] : expected) {
    const Outcome outcome = get(server.url(std::string("/").append(std::to_string(status))));
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.exit_code, status);
    EXPECT_EQ(outcome.error_type, failure.first) << status;
    EXPECT_EQ(outcome.transient, failure.second) << status;
    EXPECT_EQ(outcome.std_out, "why");
  }
}

TEST(Http, PostIsNotRepeatedUnlessItWasNotBegun) {
  std::atomic<int> requests = 0;
  ScriptedServer server(http_handler([&](const std::string& request) -> std::string {
    ++requests;
    if (request.find("/cut") != std::string::npos) return "close";
    return http_answer(request.find("/busy") != std::string::npos ? 429 : 500, "");
  }));
  HttpOptions options = quick();
  options.method = "POST";
  options.body = "once";
  options.retry = {.attempts = 3, .delay = 0.01};
  EXPECT_EQ(get(server.url("/broken"), options).attempts, 1);
  EXPECT_EQ(get(server.url("/cut"), options).attempts, 1);
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(get(server.url("/busy"), options).attempts, 3);
}

TEST(Http, BodyAndHeadersAreSentAsGiven) {
  std::string seen;
  ScriptedServer server(http_handler([&](const std::string& request) {
    seen = request;
    return http_answer(200, "");
  }));
  HttpOptions options = quick();
  options.method = "PUT";
  options.body = std::string("a\0b", 3);
  options.headers = {{"X-Token", "t"}, {"X-Empty", ""}};
  EXPECT_TRUE(get(server.url("/p?q=1"), options).ok);
  EXPECT_TRUE(seen.starts_with("PUT /p?q=1 HTTP/1.1\r\n")) << seen;
  EXPECT_NE(seen.find("\r\nX-Token: t\r\n"), std::string::npos);
  EXPECT_NE(seen.find("\r\nX-Empty:\r\n"), std::string::npos);
  EXPECT_EQ(seen.find("Content-Type"), std::string::npos);
  EXPECT_TRUE(seen.ends_with(std::string("\r\n\r\na\0b", 7)));
}

TEST(Http, CutBodyIsNoSuccess) {
  ScriptedServer server([](int connection) {
    char request[4096];
    (void)!::recv(connection, request, sizeof request, 0);
    send_all(connection, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
  });
  const Outcome outcome = get(server.url("/"));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error_type, ErrorType::kProtocol);
  EXPECT_EQ(outcome.std_out, "half");
  EXPECT_TRUE(outcome.transient);
}

TEST(Http, GarbageIsAProtocolError) {
  ScriptedServer server([](int connection) { send_all(connection, std::string(5000, '\x01')); });
  const Outcome outcome = get(server.url("/"));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error_type, ErrorType::kProtocol) << outcome.message;
}

TEST(Http, SilenceIsATimeoutAlsoOnAKeptConnection) {
  ScriptedServer server(http_handler([](const std::string& request) -> std::string {
    return request.find("/silent") != std::string::npos ? "" : http_answer(200, "x");
  }));
  const HttpCollector collector(quick(0.3));
  const Stopwatch watch;
  EXPECT_EQ(collector.run(server.url("/silent")).error_type, ErrorType::kTimeout);
  EXPECT_LT(watch.seconds(), 0.6);
  EXPECT_TRUE(collector.run(server.url("/")).ok);
  EXPECT_EQ(collector.run(server.url("/silent")).error_type, ErrorType::kTimeout);
  EXPECT_TRUE(collector.run(server.url("/")).ok);
}

TEST(Http, ClosedPortIsUnreachable) {
  int port = 0;
  {
    const ScriptedServer server([](int) {});
    port = server.port();
  }
  HttpOptions options = quick();
  options.retry = {.attempts = 2, .delay = 0.01};
  const Outcome outcome = get("http://127.0.0.1:" + std::to_string(port) + "/", options);
  EXPECT_EQ(outcome.error_type, ErrorType::kUnreachable);
  EXPECT_EQ(outcome.attempts, 2);
}

TEST(Http, WhatIsNoUrlIsNamedAndTheOthersGoOn) {
  ScriptedServer server(http_handler([](const std::string&) { return http_answer(200, "x"); }));
  const std::vector<std::string> urls = {"ftp://127.0.0.1/x",
                                         "http://",
                                         "not a url",
                                         "http://127.0.0.1:99999/",
                                         std::string("http://a\0b/", 11),
                                         "file:///etc/passwd",
                                         server.url("/")};
  Gather gather(urls.size());
  HttpCollector(quick()).collect(urls, gather);
  for (size_t i = 0; i + 1 < urls.size(); ++i) {
    EXPECT_EQ(gather.outcomes[i].error_type, ErrorType::kUnreachable) << urls[i];
    EXPECT_NE(gather.outcomes[i].message.find("not a URL"), std::string::npos) << urls[i];
  }
  EXPECT_TRUE(gather.outcomes.back().ok);
}

TEST(Http, BodyOverTheLimitIsAFailure) {
  ScriptedServer server(
      http_handler([](const std::string&) { return http_answer(200, std::string(5000, 'x')); }));
  HttpOptions options = quick();
  options.max_output = 1000;
  const Outcome outcome = get(server.url("/"), options);
  EXPECT_EQ(outcome.error_type, ErrorType::kOutputLimit);
  EXPECT_EQ(outcome.std_out.size(), 1000U);
  options.max_output = 5000;
  EXPECT_TRUE(get(server.url("/"), options).ok);
}

TEST(Http, RetryAfterHoldsBackTheWholeHost) {
  std::mutex mutex;
  std::vector<double> times;
  const Stopwatch watch;
  ScriptedServer server(http_handler([&](const std::string&) {
    const std::lock_guard lock(mutex);
    times.push_back(watch.seconds());
    return times.size() == 1 ? http_answer(429, "", "Retry-After: 1\r\n") : http_answer(200, "x");
  }));
  HttpOptions options = quick();
  options.workers = 1;
  options.retry = {.attempts = 2, .delay = 0.01};
  Gather gather(3);
  HttpCollector(options).collect(std::vector<std::string>(3, server.url("/")), gather);
  for (const Outcome& outcome : gather.outcomes) EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(gather.outcomes[0].attempts, 2);
  EXPECT_GE(gather.outcomes[0].seconds, 1.0);
  ASSERT_EQ(times.size(), 4U);
  EXPECT_GE(times[1] - times[0], 0.99);
}

TEST(Http, RetryAfterMayBeADate) {
  std::atomic<int> requests = 0;
  ScriptedServer server(http_handler([&](const std::string&) {
    if (++requests > 1) return http_answer(200, "x");
    char date[64];
    const time_t soon = std::time(nullptr) + 2;
    std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&soon));
    return http_answer(503, "", std::string("Retry-After: ") + date + "\r\n");
  }));
  HttpOptions options = quick();
  options.retry = {.attempts = 2};
  const Outcome outcome = get(server.url("/"), options);
  EXPECT_TRUE(outcome.ok);
  EXPECT_GE(outcome.seconds, 0.9);
}

TEST(Http, LongerPausesThanAllowedAreNotWaitedFor) {
  ScriptedServer server(
      http_handler([](const std::string&) { return http_answer(429, "", "Retry-After: 3600\r\n"); }));
  HttpOptions options = quick();
  options.retry = {.attempts = 5, .delay = 0.01};
  const Outcome outcome = get(server.url("/"), options);
  EXPECT_EQ(outcome.attempts, 1);
  EXPECT_EQ(outcome.message, "HTTP status 429, to be tried again in 3600 s");
}

TEST(Http, RateIsKept) {
  ScriptedServer server(http_handler([](const std::string&) { return http_answer(200, "x"); }));
  HttpOptions options = quick();
  options.rate = 20;
  Gather gather(9);
  const Stopwatch watch;
  HttpCollector(options).collect(std::vector<std::string>(9, server.url("/")), gather);
  EXPECT_GE(watch.seconds(), 0.39);
  for (const Outcome& outcome : gather.outcomes) EXPECT_TRUE(outcome.ok);
}

TEST(Http, RedirectsToTheSameHostAreFollowed) {
  ScriptedServer server(http_handler([](const std::string& request) {
    if (request.find("/there") != std::string::npos) return http_answer(200, "here");
    return http_answer(302, "moved", "Location: /there\r\n");
  }));
  HttpOptions options = quick();
  options.headers = {{"Private-Token", "secret"}};
  const Outcome outcome = get(server.url("/"), options);
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.std_out, "here");
}

TEST(Http, HeadersAreNotCarriedToAnotherHost) {
  std::atomic<int> asked = 0;
  ScriptedServer other(http_handler([&](const std::string&) {
    ++asked;
    return http_answer(200, "other");
  }));
  ScriptedServer server(http_handler(
      [&](const std::string&) { return http_answer(307, "", "Location: " + other.url("/") + "\r\n"); }));
  HttpOptions options = quick();
  options.headers = {{"Private-Token", "secret"}};
  const Outcome outcome = get(server.url("/"), options);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.exit_code, 307);
  EXPECT_EQ(asked, 0);
  EXPECT_TRUE(get(server.url("/")).ok);
  EXPECT_EQ(asked, 1);
}

TEST(Http, RedirectsInACircleEnd) {
  ScriptedServer server(
      http_handler([](const std::string&) { return http_answer(302, "", "Location: /\r\n"); }));
  EXPECT_EQ(get(server.url("/")).exit_code, 302);
}

TEST(Http, CancellationReturnsSoon) {
  ScriptedServer server(http_handler([](const std::string&) { return ""; }));
  const HttpCollector collector(quick(60));
  CancelToken cancel;
  std::thread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    cancel.cancel();
  });
  Gather gather(50);
  const Stopwatch watch;
  collector.collect(std::vector<std::string>(50, server.url("/")), gather, cancel);
  EXPECT_LT(watch.seconds(), 0.45);
  canceller.join();
  for (const Outcome& outcome : gather.outcomes) EXPECT_EQ(outcome.error_type, ErrorType::kCancelled);
}

TEST(Http, ManyThreadsShareOneCollector) {
  ScriptedServer server(http_handler([](const std::string&) { return http_answer(200, "x"); }));
  const HttpCollector collector(quick());
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) good += collector.run(server.url("/")).ok;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
  EXPECT_LE(server.accepted(), 8);
}

TEST(Http, NothingIsLeftOpen) {
  ScriptedServer server(
      http_handler([](const std::string&) { return http_answer(200, "x", "Connection: close\r\n"); }));
  get(server.url("/"));
  const int before = open_descriptors();
  {
    Gather gather(50);
    HttpOptions options = quick();
    HttpCollector(options).collect(std::vector<std::string>(50, server.url("/")), gather);
  }
  // The server's own ends are open until it goes.
  EXPECT_EQ(open_descriptors(), before + 50);
}

TEST(Http, BadOptionsAreNamed) {
  const auto message = [](const std::function<void(HttpOptions&)>& change) -> std::string {
    HttpOptions options = quick();
    change(options);
    try {
      const HttpCollector collector(std::move(options));
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](HttpOptions& o) { o.method = "GE T"; }), "method 'GE T' is not an HTTP method");
  EXPECT_NE(message([](HttpOptions& o) { o.headers = {{"A\r\nB", "x"}}; }).find("not a header's name"),
            std::string::npos);
  EXPECT_NE(message([](HttpOptions& o) { o.headers = {{"A", "x\r\nB: y"}}; }).find("line break"),
            std::string::npos);
  EXPECT_EQ(message([](HttpOptions& o) { o.rate = -1; }),
            "rate must be a number of requests a second above 0");
  EXPECT_EQ(message([](HttpOptions& o) { o.burst = 0; }), "burst must be at least 1");
}

}  // namespace headrace::collect
