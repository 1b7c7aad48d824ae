// Copyright 2026 The surface_classifier authors
// SPDX-License-Identifier: Apache-2.0
//
// Motor currents from INA219 or INA226 sensors, for the source `serial` of current_driver. For Arduino AVR, SAMD, RP2040,
// ESP32 and whatever else has Wire.h.
//
// One sensor a motor, on one I2C bus, at the addresses below (solder bridges A0 and A1 choose them). The shunt carries the
// motor's current: behind an H-bridge measure on the supply side of the bridge, or use a shunt in the motor's own lead and
// a sensor that stands its voltage (26 V the INA219, 36 V the INA226).
//
// Binary frames (the default) take 28 bytes for four motors and carry a CRC, a counter and this board's clock:
//   source: serial, serial.format: binary, serial.baud_rate: 1000000, serial.columns: [left, right]
// CSV lines can be read in any terminal, and are too long for 1 kHz at 115200 baud:
//   source: serial, serial.format: csv, serial.baud_rate: 1000000
//
// Four sensors at 400 kHz take about 0.4 ms; 1 kHz with four is what an ESP32, SAMD or RP2040 does. An Uno (ATmega328)
// does 500 Hz with two.

#include <Wire.h>
#include <math.h>
#include <string.h>

// ---- what to set ----------------------------------------------------------------------------------------------------
#ifndef SENSOR
#define SENSOR 226  // 219 or 226
#endif
#ifndef BINARY
#define BINARY 1  // 1: frames with a CRC; 0: CSV lines
#endif
#ifndef RATE_HZ
#define RATE_HZ 500  // samples a second
#endif
#ifndef BAUD_RATE
#define BAUD_RATE 1000000  // boards with USB of their own ignore it
#endif
#ifndef SHUNT_OHM
#define SHUNT_OHM 0.1f  // R100 on the usual modules: 0.8 A at most with an INA226, 3.2 A with an INA219
#endif
#ifndef CURRENT_LSB_A
#define CURRENT_LSB_A 0.0001f  // one step of the sensor's current register [A]; 32768 steps must reach the largest current
#endif
static const uint8_t ADDRESSES[] = {0x40, 0x41};
static const char* const NAMES[] = {"left", "right"};  // of the CSV columns
// ---------------------------------------------------------------------------------------------------------------------

static const uint8_t MOTORS = sizeof(ADDRESSES);
static const uint32_t PERIOD_US = 1000000UL / RATE_HZ;

static const uint8_t CONFIGURATION = 0x00, CURRENT = 0x04, CALIBRATION = 0x05;
#if SENSOR == 219
// Shunt voltage alone, 12 bits in 0.53 ms, +-320 mV; calibration = 0.04096 / (step x shunt), datasheet equation 1.
static const uint16_t CONFIGURATION_VALUE = 0x399D;
static const float CALIBRATION_SCALE = 0.04096f;
#else
// Shunt voltage alone, 0.59 ms, +-82 mV; calibration = 0.00512 / (step x shunt), datasheet equation 1.
static const uint16_t CONFIGURATION_VALUE = 0x411D;
static const float CALIBRATION_SCALE = 0.00512f;
#endif

static uint16_t sequence = 0;
static uint32_t due_us = 0;

static void write_register(uint8_t address, uint8_t number, uint16_t value) {
  Wire.beginTransmission(address);
  Wire.write(number);
  Wire.write((uint8_t)(value >> 8));
  Wire.write((uint8_t)(value & 0xFF));
  Wire.endTransmission();
}

// The current of a sensor [A]; not a number when it does not answer.
static float read_current(uint8_t address) {
  // The sensor keeps pointing to the register that was chosen in start_sensor().
  if (Wire.requestFrom(address, (uint8_t)2) != 2) return NAN;
  const uint16_t high = Wire.read();
  const uint16_t low = Wire.read();
  return (int16_t)(high << 8 | low) * CURRENT_LSB_A;
}

static void start_sensor(uint8_t address) {
  write_register(address, CONFIGURATION, CONFIGURATION_VALUE);
  write_register(address, CALIBRATION, (uint16_t)(CALIBRATION_SCALE / (CURRENT_LSB_A * SHUNT_OHM) + 0.5f));
  Wire.beginTransmission(address);
  Wire.write(CURRENT);
  Wire.endTransmission();
}

#if BINARY
// CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF.
static uint16_t crc16(const uint8_t* data, uint8_t length) {
  uint16_t crc = 0xFFFF;
  while (length--) {
    crc ^= (uint16_t)*data++ << 8;
    for (uint8_t bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return crc;
}

// Little endian, as all boards above are.
static void send(uint32_t now_us, const float* current_a) {
  uint8_t frame[12 + 4 * MOTORS] = {0xA5, 0x5A, 1, MOTORS};
  memcpy(frame + 4, &sequence, 2);
  memcpy(frame + 6, &now_us, 4);
  memcpy(frame + 10, current_a, 4 * MOTORS);
  const uint16_t crc = crc16(frame + 2, 8 + 4 * MOTORS);
  memcpy(frame + 10 + 4 * MOTORS, &crc, 2);
  Serial.write(frame, sizeof(frame));
}
#else
static void send(uint32_t now_us, const float* current_a) {
  // The names again once a second, for a reader that opens the port later.
  if (sequence % RATE_HZ == 0) {
    Serial.print("seq,time_us");
    for (uint8_t motor = 0; motor < MOTORS; motor++) {
      Serial.print(",current_");
      Serial.print(NAMES[motor]);
      Serial.print("_mA");
    }
    Serial.print("\n");
  }
  Serial.print((unsigned long)sequence);
  Serial.print(",");
  Serial.print((unsigned long)now_us);
  for (uint8_t motor = 0; motor < MOTORS; motor++) {
    Serial.print(",");
    if (!isnan(current_a[motor])) Serial.print(current_a[motor] * 1000.0f, 1);
  }
  Serial.print("\n");
}
#endif

void setup() {
  Serial.begin(BAUD_RATE);
  Wire.begin();
  Wire.setClock(400000);
  for (uint8_t motor = 0; motor < MOTORS; motor++) start_sensor(ADDRESSES[motor]);
  due_us = micros();
}

void loop() {
  // A difference, so that nothing happens when micros() starts over after 71 minutes.
  if ((int32_t)(micros() - due_us) < 0) return;
  due_us += PERIOD_US;
  const uint32_t now_us = micros();
  float current_a[MOTORS];
  for (uint8_t motor = 0; motor < MOTORS; motor++) current_a[motor] = read_current(ADDRESSES[motor]);
  send(now_us, current_a);
  sequence++;
}
