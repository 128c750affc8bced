// A board as a process of its own: clocks the simulated design and stands between its serial line and
// the master of a pseudo-terminal. Everything is counted in the board's clock cycles.

#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <thread>

#include "Vboard.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

using Clock = std::chrono::steady_clock;
volatile sig_atomic_t ended = 0;

double wall_ms() {
    return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count();
}

// SplitMix64 (Steele, Lea, Flood 2014).
struct Random {
    uint64_t state;
    uint64_t next() {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// What happens to bytes on one direction of the line.
struct Noise {
    double changed, lost, doubled;
    Random random;
    bool at_work = false;
    uint64_t bytes = 0, damaged = 0;

    void carry(uint8_t byte, std::deque<uint8_t>& line) {
        ++bytes;
        const double chance = random.unit();
        if (!at_work || chance >= changed + lost + doubled) {
            line.push_back(byte);
            return;
        }
        ++damaged;
        if (chance < lost) return;
        if (chance < lost + doubled) {
            line.push_back(byte);
            line.push_back(byte);
            return;
        }
        line.push_back(byte ^ static_cast<uint8_t>(1 + random.next() % 255));
    }
};

struct Settings {
    std::map<std::string, double> values;
    double operator[](const char* name) const { return values.at(name); }
};

class Line {
  public:
    Line(int fd, const Settings& settings)
        : fd_(fd),
          settings_(settings),
          divisor_(settings["divisor"]),
          to_board_{settings["changed"], settings["lost"], settings["doubled"],
                    {static_cast<uint64_t>(settings["seed"])}},
          to_host_{settings["changed"], settings["lost"], settings["doubled"],
                   {static_cast<uint64_t>(settings["seed"]) + 1}} {
        read_speed();
    }

    int run() {
        const auto settle = static_cast<uint64_t>(settings_["settle"]);
        const auto quiet = static_cast<uint64_t>(settings_["quiet"]);
        board_.rx = 1;
        double began = wall_ms();
        uint64_t begin = 0;
        const double cycles_per_ms = settings_["pace"] * divisor_ / 1000;
        while (!ended) {
            if (Verilated::gotFinish()) return 1;  // a chip's model has said why
            if (cycle_ % 32 == 0) {
                flush();
                if (rx_.empty() && !sending_ && !listen(0)) return 1;
            }
            if (cycle_ % 32 == 0 && rx_.empty() && !sending_ && out_.empty() && !hearing_) {
                // Quiet must not pass sooner for the board than for the host, which may be slow.
                const double waited = wall_ms() - last_wall_;
                if (cycle_ - rx_last_ >= quiet * 3 / 4 && waited < settings_["quiet_ms"]) {
                    if (!listen(settings_["quiet_ms"] - waited)) return 1;
                    began = wall_ms();
                    begin = cycle_;
                    if (!rx_.empty()) continue;
                } else if (cycle_ - last_active_ > settle) {  // nothing can happen until a byte comes
                    if (!listen(-1)) return 1;
                    began = wall_ms();
                    begin = cycle_;
                    continue;
                }
            } else if (cycles_per_ms > 0 && cycle_ % 64 == 0) {
                const double early = static_cast<double>(cycle_ - begin) / cycles_per_ms -
                                     (wall_ms() - began);
                if (early > 0)
                    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(early));
                if (early < -20) {  // slower than the line: no catching up
                    began = wall_ms();
                    begin = cycle_;
                }
            }
            step();
        }
        if (unplugged()) drain();
        return 0;
    }

    void report() const {
        printf("{\"cycles\": %" PRIu64 ", \"rx_cycles\": %" PRIu64 ", \"rx_span\": %" PRIu64
               ", \"to_board\": %" PRIu64 ", \"to_host\": %" PRIu64 ", \"damaged\": %" PRIu64 "}\n",
               cycle_, rx_cycles_, rx_last_ - rx_first_, to_board_.bytes, to_host_.bytes,
               to_board_.damaged + to_host_.damaged);
        fflush(stdout);
    }

  private:
    // The host's port has a speed of its own; a wrong one makes wrong bits, as on copper.
    void read_speed() {
        termios2 settings{};
        bit_ = divisor_;
        if (ioctl(fd_, TCGETS2, &settings) == 0 && settings.c_ospeed > 0)
            bit_ = divisor_ * settings_["baud"] / settings.c_ospeed;
    }

    // Bytes of the host, waiting for them at most so many milliseconds (-1: for ever); whether the
    // host is still there.
    bool listen(double milliseconds) {
        pollfd asked{fd_, POLLIN, 0};
        if (milliseconds != 0) flush();
        if (poll(&asked, 1, milliseconds < 0 ? 500 : static_cast<int>(milliseconds) + 1) <= 0)
            return true;
        uint8_t data[4096];
        const ssize_t count = read(fd_, data, sizeof data);
        if (count < 0) return errno == EINTR || errno == EAGAIN;
        if (count == 0) return false;
        read_speed();
        for (ssize_t place = 0; place < count; ++place) {
            if (to_board_.bytes == static_cast<uint64_t>(settings_["after"]))
                to_board_.at_work = to_host_.at_work = true;
            to_board_.carry(data[place], rx_);
        }
        last_wall_ = wall_ms();
        return true;
    }

    void flush() {
        while (!out_.empty()) {
            const uint8_t byte = out_.front();
            if (write(fd_, &byte, 1) != 1) return;  // the host does not read: later
            out_.pop_front();
        }
    }

    bool unplugged() const {
        return carried_ > 0 && carried_ == static_cast<uint64_t>(settings_["unplug"]);
    }

    // What has been sent is the host's, but a pseudo-terminal forgets it with its master: waits until
    // the host has read all, for two seconds at most.
    void drain() {
        const int terminal = open(ptsname(fd_), O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (terminal < 0) return;
        // The kernel hands bytes on with a delay, so that none is left only if none is found repeatedly.
        const double until = wall_ms() + 2000;
        for (int quiet = 0; quiet < 5 && wall_ms() < until;) {
            flush();
            int unread = 0;
            const bool known = ioctl(terminal, FIONREAD, &unread) == 0;
            quiet = known && unread == 0 && out_.empty() ? quiet + 1 : 0;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        close(terminal);
    }

    void step() {
        if (!sending_ && !rx_.empty()) {
            frame_ = 0x200u | rx_.front() << 1;
            rx_.pop_front();
            sending_ = true;
            left_ = 10;
            next_bit_ = static_cast<double>(cycle_);
            if (rx_first_ == 0) rx_first_ = cycle_;
        }
        if (sending_) {
            ++rx_cycles_;
            last_active_ = rx_last_ = cycle_;
            if (static_cast<double>(cycle_) >= next_bit_) {
                if (left_-- == 0) {
                    sending_ = false;
                    last_wall_ = wall_ms();
                    ++carried_;
                    if (unplugged()) ended = 1;
                    if (!rx_.empty()) {  // the next byte follows without a pause
                        --rx_cycles_;    // in this same cycle
                        return step();
                    }
                } else {
                    board_.rx = frame_ & 1;
                    frame_ >>= 1;
                    next_bit_ += bit_;
                }
            }
        }
        board_.clk = 0;
        board_.eval();
        board_.clk = 1;
        board_.eval();
        ++cycle_;
        hear(board_.tx);
    }

    void hear(bool level) {
        if (!hearing_) {
            if (!was_high_ || level) {
                was_high_ = level;
                return;
            }
            hearing_ = true;
            bits_ = 0;
            byte_ = 0;
            sample_ = static_cast<double>(cycle_) + bit_ / 2;
            return;
        }
        was_high_ = level;
        last_active_ = cycle_;
        if (static_cast<double>(cycle_) < sample_) return;
        sample_ += bit_;
        if (bits_ == 0 && level) {  // a glitch
            hearing_ = false;
        } else if (bits_ == 9) {
            hearing_ = false;
            to_host_.carry(level ? byte_ : 0, out_);  // as a terminal shows a framing error
        } else if (bits_ > 0) {
            byte_ = static_cast<uint8_t>(byte_ >> 1 | (level ? 0x80 : 0));
        }
        ++bits_;
    }

    Vboard board_;
    int fd_;
    Settings settings_;
    double divisor_, bit_ = 1;
    Noise to_board_, to_host_;
    std::deque<uint8_t> rx_, out_;
    bool sending_ = false, hearing_ = false, was_high_ = true;
    unsigned frame_ = 0, left_ = 0, bits_ = 0;
    uint8_t byte_ = 0;
    double next_bit_ = 0, sample_ = 0, last_wall_ = 0;
    uint64_t carried_ = 0, cycle_ = 1, last_active_ = 0, rx_cycles_ = 0, rx_first_ = 0, rx_last_ = 0;
};

}  // namespace

// board FD NAME=NUMBER ...
int main(int count, char** arguments) {
    struct sigaction act {};
    act.sa_handler = [](int) { ended = 1; };
    sigaction(SIGTERM, &act, nullptr);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    Settings settings;
    for (int place = 2; place < count; ++place) {
        const std::string text = arguments[place];
        const size_t equal = text.find('=');
        settings.values[text.substr(0, equal)] = strtod(text.c_str() + equal + 1, nullptr);
    }
    Line line(atoi(arguments[1]), settings);
    const int status = line.run();
    line.report();
    return status;
}
