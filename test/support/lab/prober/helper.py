"""Helps a prober from the internet: dials where it is told, and answers as late as it is told. Standard library only.

    helper.py ADDRESS PORT

On TCP, a line {"dial": "tcp" | "udp", "to": [ADDRESS, PORT], "token": TEXT, "timeoutS": N} is answered with {"outcome": "connected" | "sent" |
"refused" | "unreachable" | "silent"}; a line {"answerAfterS": N} is answered then. On UDP of the same port, a datagram
{"answerAfterS": N, …} comes back then. Prints a line once it listens.
"""

import errno
import json
import socket
import sys
import threading
import time

OUTCOMES = {errno.ECONNREFUSED: 'refused', errno.EHOSTUNREACH: 'unreachable', errno.ECONNRESET: 'refused'}


def dial_tcp(address, to, token, timeout_s):
    with socket.socket() as sock:
        sock.bind((address, 0))
        sock.settimeout(timeout_s)
        try:
            sock.connect(to)
            sock.sendall(token.encode())
            return 'connected'
        except TimeoutError:
            return 'silent'
        except OSError as error:
            return OUTCOMES.get(error.errno, str(error))


def dial_udp(address, to, token, timeout_s):
    """An answer by ICMP is told; whether the datagram arrived only the other side knows."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.settimeout(timeout_s)
        sock.connect(to)
        try:
            sock.send(token.encode())
            sock.recv(100)
            return 'sent'
        except TimeoutError:
            return 'silent'
        except OSError as error:
            return OUTCOMES.get(error.errno, str(error))


def serve_caller(sock, address):
    with sock, sock.makefile('rw') as lines:
        for line in lines:
            request = json.loads(line)
            if 'dial' in request:
                dial = dial_tcp if request['dial'] == 'tcp' else dial_udp
                answer = {'outcome': dial(address, tuple(request['to']), request['token'], request['timeoutS'])}
            else:
                time.sleep(request['answerAfterS'])
                answer = request
            lines.write(json.dumps(answer) + '\n')
            lines.flush()


def serve_datagrams(sock):
    while True:
        data, caller = sock.recvfrom(2_000)
        threading.Timer(json.loads(data)['answerAfterS'], sock.sendto, (data, caller)).start()


def quietly(serve, *arguments):
    try:
        serve(*arguments)
    except (OSError, ValueError):  # the caller went away
        pass


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    listener = socket.create_server((address, port), backlog=512)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, port))
    threading.Thread(target=serve_datagrams, args=(datagrams,), daemon=True).start()
    print('listens', flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=quietly, args=(serve_caller, sock, address), daemon=True).start()


if __name__ == '__main__':
    main()
