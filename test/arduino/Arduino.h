// Copyright 2026 The surface_classifier authors
// SPDX-License-Identifier: Apache-2.0
//
// As much of an Arduino as the example sketches need, on a PC: a clock that a call moves on, and a port that writes to
// standard output.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>

using std::isnan;

inline uint32_t clock_us = 4294900000u;  // it starts over soon

inline uint32_t micros() { return clock_us += 25; }

struct SerialPort {
  void begin(unsigned long) {}
  void write(const uint8_t* data, size_t size) { fwrite(data, 1, size, stdout); }
  void print(const char* text) { fputs(text, stdout); }
  void print(unsigned long number) { printf("%lu", number); }
  void print(double number, int digits) { printf("%.*f", digits, number); }
};
inline SerialPort Serial;
