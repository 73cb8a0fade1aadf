"""Arguments that several commands share, and what is made of them."""


def add_device(parser) -> None:
    """Declare the arguments that say where the network runs."""
    parser.add_argument(
        "--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to run (default: auto)"
    )
    parser.add_argument("--gpus", type=int, default=1, help="GPUs granted; 0 runs on the CPU (default: 1)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")


def device_of(args):
    """The device that `add_device`'s arguments ask for; torch.device. The threads are set, too."""
    from n2n.nets.device import choose_device, set_threads

    device = choose_device(args.device, args.gpus)
    set_threads(args.threads)
    return device


def add_resources(parser, threads: int) -> None:
    """Declare the arguments that say how much a job may take; `threads` is the default."""
    parser.add_argument("--threads", type=int, default=threads, help=f"processes side by side (default: {threads})")
    parser.add_argument("--memory-mb", type=int, default=4000, help="memory to stay within [MB] (default: 4000)")
