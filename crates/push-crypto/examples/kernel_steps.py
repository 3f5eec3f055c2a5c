#!/usr/bin/env python3
"""Counts the instructions of `counted` in the example kernel_steps by stepping through it, one by one, and says whether
the way through them is the same for different scalars. Linux on x86-64.

    cargo build --release -p push-crypto --example kernel_steps
    python3 crates/push-crypto/examples/kernel_steps.py target/release/examples/kernel_steps ifma

For each scalar: how many instructions, and a digest of the addresses of all of them in order.
"""

import ctypes
import hashlib
import os
import struct
import subprocess
import sys

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SCALARS = [1, 2, 3, N - 1, N - 2, 30 * 2**252 - N, 0x55 * (2**256 - 1) // 255, 1 << 255, int("7" * 64, 16)]

TRACEME, PEEKTEXT, POKETEXT, CONT, SINGLESTEP, GETREGS, SETREGS = 0, 1, 4, 7, 9, 12, 13
ADDR_NO_RANDOMIZE = 0x0040000
RIP, RSP = 16, 19  # of user_regs_struct

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if result == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), "ptrace")
    return result


class Traced:
    def __init__(self, command):
        self.pid = os.fork()
        if self.pid == 0:
            libc.personality(ADDR_NO_RANDOMIZE)
            ptrace(TRACEME, 0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.execv(command[0], command)
        self.wait()
        self.buffer = ctypes.create_string_buffer(27 * 8)

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            sys.exit("the program ended before it was stepped through")

    def registers(self):
        ptrace(GETREGS, self.pid, 0, ctypes.addressof(self.buffer))
        return list(struct.unpack("27Q", self.buffer.raw))

    def set_registers(self, registers):
        self.buffer.raw = struct.pack("27Q", *registers)
        ptrace(SETREGS, self.pid, 0, ctypes.addressof(self.buffer))

    def go(self, request):
        ptrace(request, self.pid)
        self.wait()

    def run_to(self, address):
        word = ptrace(PEEKTEXT, self.pid, address)
        ptrace(POKETEXT, self.pid, address, (word & ~0xFF) | 0xCC)
        self.go(CONT)
        ptrace(POKETEXT, self.pid, address, word)
        registers = self.registers()
        assert registers[RIP] == address + 1, "stopped elsewhere"
        registers[RIP] = address
        self.set_registers(registers)
        return registers


def steps(program, kernel, scalar):
    traced = Traced([program, kernel, f"{scalar:064x}"])
    with open(f"/proc/{traced.pid}/maps") as maps:
        base = int(next(line for line in maps if os.path.basename(program) in line).split("-")[0], 16)
    symbols = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout.split("\n")
    counted = base + next(int(line.split()[0], 16) for line in symbols if "counted" in line)
    # The first call makes the table of the generator.
    traced.run_to(counted)
    traced.go(SINGLESTEP)
    registers = traced.run_to(counted)
    top, count, way = registers[RSP], 0, hashlib.sha256()
    while registers[RSP] <= top:
        way.update(struct.pack("Q", registers[RIP]))
        count += 1
        traced.go(SINGLESTEP)
        registers = traced.registers()
    os.kill(traced.pid, 9)
    os.waitpid(traced.pid, 0)
    return count, way.hexdigest()[:16]


def main():
    program, kernel = os.path.realpath(sys.argv[1]), sys.argv[2]
    results = {}
    for scalar in SCALARS:
        results[scalar] = steps(program, kernel, scalar)
        print(f"{scalar:064x}  {results[scalar][0]:>9} instructions  {results[scalar][1]}", flush=True)
    if len(set(results.values())) != 1:
        sys.exit("the ways differ")
    print("the same way for all")


main()
