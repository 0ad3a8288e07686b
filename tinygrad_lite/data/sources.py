"""Where each data set comes from, under which licence, and the sha256 of its files."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    name: that of its folder. urls: addresses that hold its files, the first that answers is taken.
    files: the sha256 of each. licence, citation: as its authors state or ask for.
    elsewhere: the addresses of files that have another name or place; none for one that can't be downloaded.
    """

    name: str
    licence: str
    citation: str
    urls: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def addresses(self, file: str) -> tuple[str, ...]:
        """Where a file can be downloaded from."""
        return self.elsewhere.get(file, tuple(url + file for url in self.urls))


GENSIM = (
    "https://raw.githubusercontent.com/piskvorky/gensim/37f90ec121eb7cd401448a947e80953e0c53ccdc/gensim/test/test_data/"
)
WIKIPEDIA = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
WIKITEXT2 = (
    "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/"
    "word_language_model/data/wikitext-2/"
)

PICTURES = (
    Source(
        "digits",
        licence="CC BY 4.0 (UCI Machine Learning Repository); the copy in scikit-learn",
        citation="E. Alpaydin, C. Kaynak. Optical recognition of handwritten digits. UCI Machine Learning Repository, "
        "1998. doi:10.24432/C50P49",
    ),
    Source(
        "mnist",
        licence="Y. LeCun and C. Cortes hold the copyright; usually given as CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document recognition. "
        "Proc. IEEE 86(11):2278-2324, 1998",
        urls=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        files={
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    Source(
        "fashion-mnist",
        licence="MIT",
        citation="H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a novel image dataset for benchmarking machine "
        "learning algorithms. arXiv:1708.07747, 2017",
        urls=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        files={
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    Source(
        "cifar10",
        licence="none stated; the authors ask for the citation",
        citation="A. Krizhevsky. Learning multiple layers of features from tiny images. Technical report, University "
        "of Toronto, 2009",
        urls=("https://www.cs.toronto.edu/~kriz/",),
        files={
            "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "data_batch_1.bin.gz": "6fcee3c4b6ea120cf82b263e2e9fe932e7edf7daf530e8b8ed62c178f70910c6",
            "data_batch_2.bin.gz": "fdda9af5bfc1ff90c0018a3c997cc37619077ae8e4e7f1238323a8259607add2",
            "test_batch_first1000.bin.gz": "3d5e72c2623a79c57b916d8669b4cba52fa2984d04cb8cd7d256902adc743432",
        },
        elsewhere={"data_batch_1.bin.gz": (), "data_batch_2.bin.gz": (), "test_batch_first1000.bin.gz": ()},
    ),
    Source(
        "omniglot",
        licence="MIT",
        citation="B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum. Human-level concept learning through probabilistic "
        "program induction. Science 350(6266):1332-1338, 2015",
        urls=("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",),
        files={
            "images_background.zip": "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
            "images_evaluation.zip": "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            "images_background_small1.zip": "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
            "images_background_small2.zip": "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
            "all_runs.zip": "437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
        },
        elsewhere={
            "all_runs.zip": (
                "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/one-shot-classification/all_runs.zip",
            )
        },
    ),
)

SENTENCES = (
    Source(
        "rt-polarity",
        licence="CC BY 4.0, (C) 2005 Bo Pang and Lillian Lee (as the copy in NLTK states)",
        citation="B. Pang, L. Lee. Seeing stars: exploiting class relationships for sentiment categorization with "
        "respect to rating scales. ACL 2005",
        urls=("https://raw.githubusercontent.com/yoonkim/CNN_sentence/master/",),
        files={
            "rt-polarity.neg": "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            "rt-polarity.pos": "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
        },
    ),
    Source(
        "subjectivity",
        licence="CC BY 4.0, (C) 2004 Bo Pang and Lillian Lee",
        citation="B. Pang, L. Lee. A sentimental education: sentiment analysis using subjectivity summarization based "
        "on minimum cuts. ACL 2004",
        urls=("https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/",),
        files={"subjectivity.zip": "741f3371e1a4375051b874fd82fd55857b90975473c91c19a3101cbe17fc4d8c"},
    ),
    Source(
        "sst2",
        licence="MIT for the repository of this copy; none stated for the sentences",
        citation="R. Socher et al. Recursive deep models for semantic compositionality over a sentiment treebank. "
        "EMNLP 2013. This copy: A. Radford, R. Jozefowicz, I. Sutskever, arXiv:1704.01444, 2017",
        urls=("https://raw.githubusercontent.com/openai/generating-reviews-discovering-sentiment/master/data/",),
        files={
            "train_binary_sent.csv": "6003623bcb35aad3a446a265b8931b7ccab61fcc10f2e9c1fec916ff67c7be35",
            "dev_binary_sent.csv": "f34c4987fea208fefc2d62a1b42c83a766cbfc7ce58c2a878ef953cf91f01729",
            "test_binary_sent.csv": "519cea7ed4d22fe7ec4eccbb3d5ba6d88902a3b15ce129f476aa8364463a9fc7",
        },
    ),
    Source(
        "trec-qc",
        licence="none stated",
        citation="X. Li, D. Roth. Learning question classifiers. COLING 2002",
        urls=("https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/",),
        files={"qc.zip": "091fb01e50883014d150acb7d5013d787136968b3f955ae01725a65e7e80f304"},
    ),
    Source(
        "imdb",
        licence="none stated; for research, with the citation; the reviews belong to their authors",
        citation="A. L. Maas et al. Learning word vectors for sentiment analysis. ACL 2011",
        urls=("https://ai.stanford.edu/~amaas/data/sentiment/",),
        files={
            "aclImdb_v1.tar.gz": "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            "aclImdb-slice-20k.tar.gz": "09e1c859aac261b0f0a81cc0b91cc13e0e3ff8fb9b5ad14bee8ef8a12183f70f",
        },
        elsewhere={"aclImdb-slice-20k.tar.gz": ()},
    ),
)

RUNNING_TEXT = (
    Source(
        "tinyshakespeare",
        licence="public domain (the text); MIT for the repository of this copy",
        citation="A. Karpathy. char-rnn; The unreasonable effectiveness of recurrent neural networks, 2015",
        urls=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
        files={"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    ),
    Source(
        "wiki",
        licence="CC BY-SA (Wikipedia)",
        citation="Wikipedia, the free encyclopedia, a dump of 2016 as shortened for the tests of gensim. WikiText-2: "
        "S. Merity, C. Xiong, J. Bradbury, R. Socher. Pointer sentinel mixture models. arXiv:1609.07843, 2016",
        urls=(GENSIM,),
        files={
            WIKIPEDIA: "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d",
            "wikitext-2.valid.txt": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            "wikitext-2.test.txt": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        },
        elsewhere={f"wikitext-2.{part}.txt": (f"{WIKITEXT2}{part}.txt",) for part in ("valid", "test")},
    ),
    Source(
        "text8",
        licence="CC BY-SA (Wikipedia)",
        citation="M. Mahoney. About the test data, 2011. mattmahoney.net/dc/textdata.html",
        urls=("http://mattmahoney.net/dc/", "https://mattmahoney.net/dc/"),
        files={"text8.zip": "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"},
    ),
    Source(
        "word2vec-eval",
        licence="Apache-2.0 (the analogies); none stated for the lists of pairs",
        citation="Analogies: T. Mikolov et al. Efficient estimation of word representations in vector space. "
        "arXiv:1301.3781, 2013. WordSim353: L. Finkelstein et al. Placing search in context: the concept revisited. "
        "ACM TOIS 20(1), 2002. SimLex-999: F. Hill, R. Reichart, A. Korhonen. Computational Linguistics 41(4), 2015",
        urls=("https://raw.githubusercontent.com/tmikolov/word2vec/master/", GENSIM),
        files={
            "questions-words.txt": "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
            "simlex999.txt": "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
            "wordsim353.tsv": "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
        },
    ),
)

TABLES = (
    Source(
        "adult",
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        citation="B. Becker, R. Kohavi. Adult. UCI Machine Learning Repository, 1996. doi:10.24432/C5XW20",
        urls=("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",),
        files={
            "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        },
    ),
)

SOURCES = {source.name: source for source in (*PICTURES, *SENTENCES, *RUNNING_TEXT, *TABLES)}
"""What is known of each data set, by name."""
