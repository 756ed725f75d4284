#include "headrace/collect/ssh.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <thread>

#include "fake_router.h"
#include "headrace/base/error.h"
#include "scripted_server.h"
#include "support.h"

namespace headrace::collect {

namespace {

using testing::Behaviour;
using testing::FakeRouter;

/// Options with a client key and a known_hosts file that trusts the given routers.
class Ssh : public ::testing::Test {
 protected:
  Ssh() : folder_(::testing::TempDir() + "ssh_test_" + std::to_string(::getpid())) {
    ::mkdir(folder_.c_str(), 0700);
    ssh_key key = nullptr;
    ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key);
    ssh_pki_export_privkey_file(key, nullptr, nullptr, nullptr, (folder_ + "/key").c_str());
    ssh_key_free(key);
    options_.username = "netops";
    options_.key_files = {folder_ + "/key"};
    options_.known_hosts = folder_ + "/known_hosts";
    options_.timeout = 5;
    trust({});
  }

  void trust(const std::vector<const FakeRouter*>& routers) {
    std::ofstream file(options_.known_hosts, std::ios::trunc);
    for (const FakeRouter* router : routers) file << router->known_hosts_line();
  }
  Outcome run(const FakeRouter& router, const std::vector<std::string>& commands = {"show config"}) {
    return SshCollector(options_).run(router.target(), commands);
  }
  Outcome run_trusted(const FakeRouter& router, const std::vector<std::string>& commands = {"show config"}) {
    trust({&router});
    return run(router, commands);
  }

  const std::string folder_;
  SshOptions options_;
};

const std::string kConfig = FakeRouter::config_text("127.0.0.1", 50'000);

}  // namespace

TEST_F(Ssh, AnswerIsWhole) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome outcome = run_trusted(router);
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.std_out, kConfig);
  EXPECT_EQ(outcome.std_err, "");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.attempts, 1);
  EXPECT_EQ(outcome.target, router.target());
}

TEST_F(Ssh, StatusAndBothStreams) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome outcome = run_trusted(router, {"exit 7"});
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error_type, ErrorType::kExit);
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(outcome.std_err, "leaving\n");
  EXPECT_EQ(outcome.message, "exit status 7: leaving");
  EXPECT_FALSE(outcome.transient);
}

TEST_F(Ssh, SignalIsAFailure) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome outcome = run_trusted(router, {"signal"});
  EXPECT_EQ(outcome.error_type, ErrorType::kExit);
  EXPECT_EQ(outcome.message, "killed by signal KILL");
  EXPECT_FALSE(outcome.exit_code.has_value());
}

TEST_F(Ssh, SeveralCommandsShareASession) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome outcome = run_trusted(router, {"show config", "exit 0", "show config"});
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(router.connections(), 1);
  ASSERT_EQ(outcome.commands.size(), 3U);
  EXPECT_EQ(outcome.commands[0].std_out, kConfig);
  EXPECT_EQ(outcome.commands[1].std_err, "leaving\n");
  EXPECT_EQ(outcome.commands[2].std_out, kConfig);
  EXPECT_EQ(outcome.std_out, kConfig + kConfig);
}

TEST_F(Ssh, TheFirstCommandThatFailsIsTheLast) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome outcome = run_trusted(router, {"exit 0", "exit 3", "show config"});
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.message, "exit status 3 of 'exit 3': leaving");
  EXPECT_EQ(outcome.commands.size(), 2U);
  EXPECT_EQ(outcome.std_out, "");
}

TEST_F(Ssh, InputIsRead) {
  const FakeRouter router(Behaviour::kGood);
  options_.input = FakeRouter::config_text("input", 5'000'000);
  const Outcome outcome = run_trusted(router, {"cat"});
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_TRUE(outcome.std_out == options_.input);
  options_.input.reset();
  EXPECT_TRUE(run(router, {"cat"}).ok);
}

TEST_F(Ssh, UnknownHostIsNotTrustedUnlessAsked) {
  const FakeRouter router(Behaviour::kGood);
  const Outcome unknown = run(router);
  EXPECT_EQ(unknown.error_type, ErrorType::kHostKey);
  EXPECT_NE(unknown.message.find("is not known"), std::string::npos);
  EXPECT_FALSE(unknown.transient);
  options_.accept_new = true;
  EXPECT_TRUE(run(router).ok);
  options_.accept_new = false;
  EXPECT_TRUE(run(router).ok);  // it was remembered
}

TEST_F(Ssh, ChangedKeyIsNeverAccepted) {
  FakeRouter::Options same_port;
  {
    const FakeRouter before(Behaviour::kGood);
    trust({&before});
    same_port.port = before.port();
  }
  const FakeRouter after(same_port);
  options_.accept_new = true;
  const Outcome outcome = run(after);
  EXPECT_EQ(outcome.error_type, ErrorType::kHostKey);
  EXPECT_NE(outcome.message.find("is not the one in"), std::string::npos);
  EXPECT_EQ(outcome.std_out, "");
}

TEST_F(Ssh, PasswordByBothMethods) {
  options_.key_files.clear();
  options_.password = "secret";
  for (const Behaviour behaviour : {Behaviour::kPasswordOnly, Behaviour::kPromptsOnly, Behaviour::kGood}) {
    const FakeRouter router(behaviour);
    const Outcome outcome = run_trusted(router);
    EXPECT_TRUE(outcome.ok) << outcome.message;
    EXPECT_EQ(router.logins_refused(), 0);
  }
}

TEST_F(Ssh, KeyIsTriedBeforeThePassword) {
  options_.password = "secret";
  const FakeRouter router(Behaviour::kPasswordOnly);
  EXPECT_TRUE(run_trusted(router).ok);
  EXPECT_EQ(router.logins_refused(), 1);
}

TEST_F(Ssh, WrongPasswordIsSentOnce) {
  options_.key_files.clear();
  options_.password = "wrong";
  const FakeRouter router(Behaviour::kPasswordOnly);
  const Outcome outcome = run_trusted(router);
  EXPECT_EQ(outcome.error_type, ErrorType::kAuth);
  EXPECT_EQ(outcome.message, "login refused for user 'netops' (tried password; it offers password)");
  EXPECT_EQ(router.logins_refused(), 1);
  EXPECT_FALSE(outcome.transient);
}

TEST_F(Ssh, RefusedLoginSaysWhatWasTried) {
  const FakeRouter router(Behaviour::kRefuse);
  const Outcome outcome = run_trusted(router);
  EXPECT_EQ(outcome.error_type, ErrorType::kAuth);
  EXPECT_EQ(outcome.message,
            "login refused for user 'netops' (tried key key; it offers publickey, password)");
}

TEST_F(Ssh, NothingToLogInWithIsSaid) {
  options_.key_files.clear();
  const FakeRouter router(Behaviour::kGood);
  EXPECT_NE(run_trusted(router).message.find("nothing to log in with"), std::string::npos);
}

TEST_F(Ssh, AnAgentThatHangsIsNotWaitedFor) {
  const std::string path = folder_ + "/agent";
  ::unlink(path.c_str());
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listener, 10), 0);
  options_.agent_socket = path;
  const FakeRouter router(Behaviour::kGood);
  const Stopwatch watch;
  const Outcome outcome = run_trusted(router);
  EXPECT_TRUE(outcome.ok) << outcome.message;  // the key did it
  EXPECT_LT(watch.seconds(), 2);
  options_.key_files.clear();
  EXPECT_NE(run(router).message.find("the agent did not answer"), std::string::npos);
  ::close(listener);
}

TEST_F(Ssh, EachFaultHasItsCategoryAndPartialOutputIsNoSuccess) {
  struct Expected {
    Behaviour behaviour;
    ErrorType type;
    const char* message;
    size_t received;
    bool transient;
  };
  const std::vector<Expected> table = {
      {Behaviour::kSilent, ErrorType::kTimeout, "the key exchange was not finished after 1 s", 0, true},
      {Behaviour::kBannerFlood, ErrorType::kProtocol, "too large banner", 0, false},
      {Behaviour::kGarbage, ErrorType::kProtocol, "during the key exchange", 0, false},
      {Behaviour::kCloseAtOnce, ErrorType::kProtocol, "broke off during the key exchange", 0, true},
      {Behaviour::kCloseAtLogin, ErrorType::kProtocol, "broke off during the login", 0, true},
      {Behaviour::kRefuse, ErrorType::kAuth, "login refused", 0, false},
      {Behaviour::kRefuseExec, ErrorType::kProtocol, "refused to run the command", 0, false},
      {Behaviour::kHang, ErrorType::kTimeout, "20480 bytes came", 20'480, true},
      {Behaviour::kDrip, ErrorType::kTimeout, "100 bytes came", 100, true},
      {Behaviour::kCut, ErrorType::kProtocol, "broke off during the output", 20'480, true},
      {Behaviour::kNoStatus, ErrorType::kProtocol, "without an exit status", 50'000, true},
      {Behaviour::kFlood, ErrorType::kOutputLimit, "more than 100000 bytes", 100'000, false}};
  options_.timeout = 1;
  options_.max_output = 100'000;
  std::vector<std::unique_ptr<FakeRouter>> routers;
  std::vector<const FakeRouter*> trusted;
  std::vector<std::string> hosts;
  for (const Expected& expected : table) {
    routers.push_back(std::make_unique<FakeRouter>(expected.behaviour));
    trusted.push_back(routers.back().get());
    hosts.push_back(routers.back()->target());
  }
  trust(trusted);
  Gather gather(hosts.size());
  const Stopwatch watch;
  SshCollector(options_).collect(hosts, {"show config"}, gather);
  EXPECT_LT(watch.seconds(), 1.5);
  for (size_t i = 0; i < table.size(); ++i) {
    const Outcome& outcome = gather.outcomes[i];
    EXPECT_FALSE(outcome.ok) << i;
    EXPECT_EQ(error_type_name(outcome.error_type), error_type_name(table[i].type))
        << i << ": " << outcome.message;
    EXPECT_NE(outcome.message.find(table[i].message), std::string::npos) << i << ": " << outcome.message;
    EXPECT_EQ(outcome.std_out.size(), table[i].received) << i;
    EXPECT_EQ(outcome.transient, table[i].transient) << i << ": " << outcome.message;
  }
}

TEST_F(Ssh, AnAnswerWithoutStatusIsTakenWhenAsked) {
  options_.require_status = false;
  const FakeRouter router(Behaviour::kNoStatus);
  const Outcome outcome = run_trusted(router);
  EXPECT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.std_out, kConfig);
  EXPECT_FALSE(outcome.exit_code.has_value());
}

TEST_F(Ssh, WhatIsNoHostHasItsOwnOutcome) {
  const FakeRouter router(Behaviour::kGood);
  trust({&router});
  int closed_port = 0;
  {
    const ScriptedServer server([](int) {});
    closed_port = server.port();
  }
  const std::vector<std::string> hosts = {"300.1.2.3",
                                          "a b",
                                          "",
                                          "r1:99999",
                                          "127.0.0.1:" + std::to_string(closed_port),
                                          "no-such-host.invalid",
                                          router.target(),
                                          router.target()};
  Gather gather(hosts.size());
  SshCollector(options_).collect(hosts, {"show config"}, gather);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(gather.outcomes[i].error_type, ErrorType::kUnreachable) << hosts[i];
    EXPECT_NE(gather.outcomes[i].message, "");
  }
  EXPECT_NE(gather.outcomes[4].message.find("Connection refused"), std::string::npos);
  EXPECT_TRUE(gather.outcomes[6].ok);
  EXPECT_TRUE(gather.outcomes[7].ok);
}

// A listener whose queue is full drops what comes: nothing is answered, as by a router that is switched off.
TEST_F(Ssh, NoAnswerToTheConnectionIsUnreachable) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  socklen_t size = sizeof name;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 3; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&name), sizeof name);
  }
  options_.timeout = 0.5;
  const Stopwatch watch;
  const Outcome outcome =
      SshCollector(options_).run("127.0.0.1:" + std::to_string(ntohs(name.sin_port)), {"x"});
  EXPECT_LT(watch.seconds(), 0.8);
  EXPECT_EQ(outcome.error_type, ErrorType::kUnreachable) << outcome.message;
  EXPECT_NE(outcome.message.find("no connection to port"), std::string::npos);
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

TEST_F(Ssh, TransientFailuresAreTriedAgain) {
  const FakeRouter router(Behaviour::kCloseAtLogin);
  options_.retry = {.attempts = 3, .delay = 0.01};
  const Outcome outcome = run_trusted(router);
  EXPECT_EQ(outcome.attempts, 3);
  EXPECT_EQ(router.connections(), 3);
  const FakeRouter refusing(Behaviour::kRefuse);
  EXPECT_EQ(run_trusted(refusing).attempts, 1);
}

TEST_F(Ssh, CancellationReturnsSoon) {
  const FakeRouter router(Behaviour::kHang);
  trust({&router});
  options_.timeout = 60;
  CancelToken cancel;
  std::thread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cancel.cancel();
  });
  Gather gather(60);
  const Stopwatch watch;
  SshCollector(options_).collect(std::vector<std::string>(60, router.target()), {"show config"}, gather,
                                 cancel);
  EXPECT_LT(watch.seconds(), 0.55);
  canceller.join();
  for (const Outcome& outcome : gather.outcomes) EXPECT_EQ(outcome.error_type, ErrorType::kCancelled);
}

TEST_F(Ssh, ManySessionsLeaveNothingBehind) {
  const FakeRouter router(Behaviour::kGood);
  run_trusted(router);
  const SshCollector collector(options_);
  const int before = open_descriptors();
  Gather gather(200);
  collector.collect(std::vector<std::string>(200, router.target()), {"show config"}, gather);
  for (const Outcome& outcome : gather.outcomes)
    ASSERT_TRUE(outcome.ok && outcome.std_out == kConfig) << outcome.message;
  EXPECT_TRUE(eventually([before] { return open_descriptors() <= before; }));
}

TEST_F(Ssh, BadOptionsAreNamed) {
  const auto message = [this](const std::function<void(SshOptions&)>& change) -> std::string {
    SshOptions options = options_;
    change(options);
    try {
      const SshCollector collector(std::move(options));
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message([](SshOptions& o) { o.username = ""; }), "username must not be empty");
  EXPECT_EQ(message([](SshOptions& o) { o.port = 0; }), "port must be between 1 and 65535");
  EXPECT_EQ(message([](SshOptions& o) { o.key_files = {"/no/such/key"}; }),
            "key file '/no/such/key' does not exist");
  EXPECT_NE(message([](SshOptions& o) { o.key_files = {"/etc/hostname"}; }).find("is no private key"),
            std::string::npos);
  EXPECT_EQ(message([](SshOptions& o) { o.known_hosts = ""; }), "known_hosts must be the path of a file");
  Gather gather(1);
  EXPECT_THROW(SshCollector(options_).collect({"r1"}, {}, gather), ConfigurationError);
  EXPECT_THROW(SshCollector(options_).collect({"r1"}, {""}, gather), ConfigurationError);
}

TEST_F(Ssh, KeyWithAPassphrase) {
  ssh_key key = nullptr;
  ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key);
  const std::string path = folder_ + "/locked";
  ssh_pki_export_privkey_file(key, "open sesame", nullptr, nullptr, path.c_str());
  ssh_key_free(key);
  options_.key_files = {path};
  EXPECT_THROW(SshCollector{options_}, ConfigurationError);
  options_.passphrase = "open sesame";
  const FakeRouter router(Behaviour::kGood);
  EXPECT_TRUE(run_trusted(router).ok);
}

}  // namespace headrace::collect
