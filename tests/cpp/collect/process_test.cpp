#include "headrace/collect/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "headrace/base/error.h"
#include "support.h"

namespace headrace::collect {

namespace {

ProcessOptions quick(double timeout = 10) {
  ProcessOptions options;
  options.timeout = timeout;
  return options;
}

Command shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

Outcome run(const Command& command, ProcessOptions options = quick()) {
  return ProcessCollector(std::move(options)).run(command);
}

// A zombie counts as gone: whoever adopted it reaps it when it likes.
bool alive(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text[name_end + 2] != 'Z';
}

bool gone(pid_t pid) {
  return eventually([pid] { return !alive(pid); });
}

}  // namespace

TEST(Process, KeepsBothStreamsAndTheStatus) {
  const Outcome outcome = run(shell("printf out; printf err >&2; exit 3"));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.std_out, "out");
  EXPECT_EQ(outcome.std_err, "err");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.error_type, ErrorType::kExit);
  EXPECT_EQ(outcome.message, "exit status 3: err");
  EXPECT_EQ(outcome.attempts, 1);
}

TEST(Process, SuccessHasNoMessage) {
  const Outcome outcome = run({"true"});
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.error_type, ErrorType::kNone);
  EXPECT_EQ(outcome.message, "");
}

TEST(Process, EveryTargetHasItsOutcomeInAnyCase) {
  std::vector<Command> commands;
  for (int i = 0; i < 40; ++i)
    commands.push_back(shell("echo " + std::to_string(i) + "; exit " + std::to_string(i % 2)));
  commands.push_back({"no-such-program-here"});
  Gather gather(commands.size());
  ProcessCollector(quick()).collect(commands, gather);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(gather.outcomes[i].std_out, std::to_string(i) + "\n");
    EXPECT_EQ(gather.outcomes[i].ok, i % 2 == 0);
  }
  EXPECT_EQ(gather.outcomes[40].exit_code, 127);
  EXPECT_EQ(gather.outcomes[40].message,
            "program 'no-such-program-here' not found in PATH; install it or give its path");
}

TEST(Process, FileThatIsNoProgramIsNamed) {
  const Outcome outcome = run({"/etc/hostname"});
  EXPECT_EQ(outcome.exit_code, 126);
  EXPECT_EQ(outcome.error_type, ErrorType::kExit);
  EXPECT_NE(outcome.message.find("/etc/hostname"), std::string::npos);
}

TEST(Process, InputIsReadToItsEnd) {
  ProcessOptions options = quick();
  options.input = std::string(3'000'000, 'x') + "\n";
  const Outcome outcome = run({"cat"}, options);
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.std_out, *options.input);
}

TEST(Process, InputThatNobodyReadsHurtsNobody) {
  ProcessOptions options = quick();
  options.input = std::string(3'000'000, 'x');
  EXPECT_TRUE(run({"true"}, options).ok);
}

TEST(Process, WithoutInputThereIsNothingToRead) {
  EXPECT_EQ(run({"wc", "-c"}).std_out, "0\n");
}

TEST(Process, EnvironmentIsExactlyTheGivenOne) {
  ProcessOptions options = quick();
  options.env = Environment{std::pair("A", "1"), std::pair("B", "two words")};
  EXPECT_EQ(run({"/usr/bin/env"}, options).std_out, "A=1\nB=two words\n");
}

TEST(Process, EnvironmentIsInheritedWhenNoneIsGiven) {
  ::setenv("HEADRACE_TEST_VALUE", "kept", 1);
  EXPECT_EQ(run(shell("printf %s \"$HEADRACE_TEST_VALUE\"")).std_out, "kept");
}

TEST(Process, RunsInTheGivenFolder) {
  ProcessOptions options = quick();
  options.cwd = "/proc";
  EXPECT_EQ(run({"pwd"}, options).std_out, "/proc\n");
}

TEST(Process, InheritsNothingButTheThreeStreams) {
  const int leaky = ::dup(1);  // without close-on-exec, as a careless library has it
  EXPECT_EQ(run(shell("ls /proc/self/fd | tr '\\n' ' '")).std_out, "0 1 2 3 ");  // 3 is what ls reads
  ::close(leaky);
}

TEST(Process, IgnoredPipeSignalIsNotPassedOn) {
  const auto ignored = [](const std::string& status) {
    const size_t at = status.find("SigIgn:\t");
    return at == std::string::npos ? ~0ULL : std::stoull(status.substr(at + 8), nullptr, 16);
  };
  std::ifstream own("/proc/self/status");  // whoever started the tests may have had some ignored
  const std::string status((std::istreambuf_iterator<char>(own)), std::istreambuf_iterator<char>());
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const Outcome outcome = run(shell("grep SigIgn /proc/self/status"));
  ::signal(SIGPIPE, before);
  EXPECT_EQ(ignored(outcome.std_out), ignored(status) & ~(1ULL << (SIGPIPE - 1)));
}

TEST(Process, HasAGroupAndASessionOfItsOwn) {
  const Outcome outcome = run(shell("echo $$; ps -o pgid=,sid= -p $$ | tr -s ' ' '\\n' | sed '/^$/d'"));
  EXPECT_TRUE(outcome.ok) << outcome.message;
  const std::string pid = outcome.std_out.substr(0, outcome.std_out.find('\n') + 1);
  EXPECT_EQ(outcome.std_out, pid + pid + pid);
}

TEST(Process, TimeoutKeepsWhatCameAndIsNoSuccess) {
  const Stopwatch watch;
  const Outcome outcome = run(shell("echo begun; sleep 30"), quick(0.3));
  EXPECT_LT(watch.seconds(), 1.0);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error_type, ErrorType::kTimeout);
  EXPECT_EQ(outcome.std_out, "begun\n");
  EXPECT_EQ(outcome.message, "not finished after 0.3 s; raise timeout");
}

TEST(Process, TermComesBeforeKill) {
  const Outcome polite = run(shell("trap 'echo bye; exit 0' TERM; while :; do sleep 0.01; done"), quick(0.3));
  EXPECT_EQ(polite.error_type, ErrorType::kTimeout);
  EXPECT_EQ(polite.exit_code, 0);
  const Stopwatch watch;
  const Outcome stubborn = run(shell("trap '' TERM; while :; do sleep 0.01; done"), quick(0.3));
  EXPECT_EQ(stubborn.exit_code, -SIGKILL);
  EXPECT_LT(watch.seconds(), 1.5);
}

TEST(Process, StoppedProcessIsEndedToo) {
  const Outcome outcome = run(shell("kill -STOP $$"), quick(0.3));
  EXPECT_EQ(outcome.error_type, ErrorType::kTimeout);
  EXPECT_EQ(outcome.exit_code, -SIGTERM);
}

TEST(Process, GrandchildrenDieWithTheirParent) {
  const Outcome outcome = run(shell("sleep 60 & echo $!; wait"), quick(0.3));
  EXPECT_TRUE(gone(std::stoi(outcome.std_out)));
}

TEST(Process, GrandchildInASessionOfItsOwnDiesToo) {
  const Outcome outcome =
      run(shell("setsid sh -c 'echo $$; trap \"\" TERM; while :; do sleep 0.05; done' & wait"), quick(0.4));
  EXPECT_TRUE(gone(std::stoi(outcome.std_out)));
}

// Adopted by init, in another session, with no stream of ours: only the mark in its environment tells.
TEST(Process, DaemonDiesToo) {
  const std::string file = ::testing::TempDir() + "daemon.pid";
  ::unlink(file.c_str());
  run(shell("(setsid sh -c 'echo $$ > " + file + "; exec sleep 60' </dev/null >/dev/null 2>&1 &); sleep 60"),
      quick(0.5));
  const Outcome pid = run({"cat", file});
  ASSERT_TRUE(pid.ok);
  EXPECT_TRUE(gone(std::stoi(pid.std_out)));
}

// Without a mark (the environment was given), holding our pipe gives it away.
TEST(Process, DaemonThatHoldsTheOutputDiesToo) {
  ProcessOptions options = quick(0.5);
  options.env = Environment{std::pair("PATH", "/usr/bin:/bin")};
  const Outcome outcome = run(shell("(setsid sh -c 'echo $$; exec sleep 60' &); sleep 60"), options);
  EXPECT_TRUE(gone(std::stoi(outcome.std_out)));
}

// Where it was found is kept from command to command.
TEST(Process, AToolMovedWithinPathIsFoundAgain) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("headrace-moved-" + std::to_string(::getpid()));
  for (const char* name : {"old", "new"}) std::filesystem::create_directories(folder / name);
  std::filesystem::create_symlink("/bin/true", folder / "old" / "tool");
  ProcessOptions options = quick();
  options.env = Environment{std::pair("PATH", (folder / "old").string() + ":" + (folder / "new").string())};
  const ProcessCollector collector(options);
  EXPECT_TRUE(collector.run({"tool"}).ok);
  std::filesystem::rename(folder / "old" / "tool", folder / "new" / "tool");
  EXPECT_EQ(collector.run({"tool"}).message, "");
  std::filesystem::remove(folder / "new" / "tool");
  EXPECT_EQ(collector.run({"tool"}).exit_code, 127);
  std::filesystem::remove_all(folder);
}

TEST(Process, DescendantThatHoldsTheOutputIsWaitedFor) {
  const Outcome outcome = run(shell("(sleep 0.3; echo late) & echo early"));
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.std_out, "early\nlate\n");
}

TEST(Process, ClosedStreamsAreNotTheEnd) {
  const Outcome outcome = run(shell("exec >&- 2>&-; sleep 0.3; exit 4"));
  EXPECT_EQ(outcome.exit_code, 4);
}

TEST(Process, OutputLimitIsAFailureThatKeepsTheFirstBytes) {
  ProcessOptions options = quick();
  options.max_output = 1000;
  const Stopwatch watch;
  const Outcome outcome = run({"yes"}, options);
  EXPECT_LT(watch.seconds(), 2);
  EXPECT_EQ(outcome.error_type, ErrorType::kOutputLimit);
  EXPECT_EQ(outcome.std_out.size(), 1000U);
  EXPECT_FALSE(outcome.transient);
}

TEST(Process, OutputOfExactlyTheLimitIsFine) {
  ProcessOptions options = quick();
  options.max_output = 1000;
  EXPECT_TRUE(run(shell("head -c 1000 /dev/zero"), options).ok);
  EXPECT_FALSE(run(shell("head -c 1001 /dev/zero"), options).ok);
}

TEST(Process, SignalIsNamed) {
  const Outcome outcome = run(shell("kill -SEGV $$"));
  EXPECT_EQ(outcome.exit_code, -SIGSEGV);
  EXPECT_EQ(outcome.message, "killed by signal 11 (Segmentation fault)");
}

TEST(Process, OnlyTransientFailuresAreTriedAgain) {
  const std::string file = ::testing::TempDir() + "tries";
  ::unlink(file.c_str());
  ProcessOptions options = quick();
  options.retry = {.attempts = 3, .delay = 0.01};
  const std::string count = "echo x >> " + file + "; test $(wc -l < " + file + ") -ge 3 && exit 0; exit ";
  const Outcome temporary = run(shell(count + "75"), options);
  EXPECT_TRUE(temporary.ok);
  EXPECT_EQ(temporary.attempts, 3);
  ::unlink(file.c_str());
  const Outcome permanent = run(shell(count + "1"), options);
  EXPECT_FALSE(permanent.ok);
  EXPECT_EQ(permanent.attempts, 1);
}

TEST(Process, CancellationReturnsSoonAndEndsEverything) {
  std::vector<Command> commands(40, shell("trap '' TERM; sleep 60"));
  CancelToken cancel;
  std::thread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cancel.cancel();
  });
  Gather gather(commands.size());
  const Stopwatch watch;
  ProcessCollector(quick(60)).collect(commands, gather, cancel);
  const double seconds = watch.seconds();
  canceller.join();
  EXPECT_LT(seconds, 0.3 + 0.25);
  for (const Outcome& outcome : gather.outcomes) EXPECT_EQ(outcome.error_type, ErrorType::kCancelled);
  EXPECT_EQ(gather.order.size(), commands.size());
  EXPECT_EQ(gather.outcomes[39].attempts, 0);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Process, StreamHandsOutEachAsItFinishes) {
  const auto stream = ProcessCollector(quick()).stream({shell("sleep 0.5"), {"true"}}, 16);
  EXPECT_EQ(stream->next()->index, 1);
  EXPECT_EQ(stream->next()->index, 0);
  EXPECT_FALSE(stream->next().has_value());
  EXPECT_TRUE(stream->exhausted());
}

TEST(Process, StreamThatNobodyReadsStartsNoMore) {
  const std::string file = ::testing::TempDir() + "started";
  ::unlink(file.c_str());
  ProcessOptions options = quick();
  options.workers = 2;
  const auto stream =
      ProcessCollector(options).stream(std::vector<Command>(50, shell("echo x >> " + file)), 4);
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_LE(std::stoi(run({"sh", "-c", "wc -l < " + file}).std_out), 6);
  int count = 0;
  while (stream->next()) ++count;
  EXPECT_EQ(count, 50);
}

TEST(Process, AbandonedStreamEndsItsProcesses) {
  Outcome first;
  const Stopwatch watch;
  {
    const auto stream = ProcessCollector(quick(60)).stream(
        {shell("echo $$; exit 0"), shell("sleep 60"), shell("sleep 60")}, 16);
    first = *stream->next();
  }
  EXPECT_LT(watch.seconds(), 0.5);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Process, LostExitStatusIsNotTakenForSuccess) {
  const auto before = ::signal(SIGCHLD, SIG_IGN);  // the kernel then keeps no status
  const Outcome outcome = run({"true"});
  ::signal(SIGCHLD, before);
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.error_type, ErrorType::kProtocol);
}

TEST(Process, ThousandProcessesLeaveNothingBehind) {
  ProcessOptions options = quick();
  run({"true"}, options);
  const int before = open_descriptors();
  std::vector<Command> commands(1000, Command{"/bin/true"});
  Gather gather(commands.size());
  ProcessCollector(options).collect(commands, gather);
  for (const Outcome& outcome : gather.outcomes) EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Process, BadOptionsAreNamed) {
  const auto message = [](ProcessOptions options) -> std::string {
    try {
      const ProcessCollector collector(std::move(options));
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(quick(0)), "timeout must be a number of seconds above 0");
  ProcessOptions options = quick();
  options.workers = 0;
  EXPECT_EQ(message(options), "workers must be at least 1");
  options = quick();
  options.cwd = "/no/such/folder";
  EXPECT_EQ(message(options), "cwd '/no/such/folder' is not a folder");
  options = quick();
  options.env = Environment{std::pair("A=B", "1")};
  EXPECT_NE(message(options).find("'A=B'"), std::string::npos);
  EXPECT_THROW(run({}), ConfigurationError);
  EXPECT_THROW(run({""}), ConfigurationError);
  EXPECT_THROW(run({"echo", std::string("a\0b", 3)}), ConfigurationError);
}

}  // namespace headrace::collect
