//! Eight lanes in a register of AVX-512, multiplied by AVX-512 IFMA.
//!
//! The one file of this project with `unsafe` in it: that the processor has the instructions is known at run time only,
//! and the compiler takes no proof of it.

use core::arch::x86_64::{
    __m512i, __mmask8, _mm_cvtsi32_si128, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_load_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_blend_epi64,
    _mm512_mask_sub_epi64, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sll_epi64, _mm512_slli_epi64, _mm512_srai_epi64, _mm512_srl_epi64,
    _mm512_store_si512, _mm512_sub_epi64, _mm512_test_epi64_mask, _mm512_xor_si512,
};

use super::{Eight, Lanes, Work};

/// The proof that this processor has AVX-512 F and IFMA: made by [`Ifma::detect`] alone.
#[derive(Clone, Copy)]
pub(in super::super) struct Ifma(());

impl Ifma {
    /// If the processor has what is needed and the operating system keeps its registers.
    pub(in super::super) fn detect() -> Option<Self> {
        let there = std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512ifma");
        there.then_some(Self(()))
    }
}

/// An instruction, for the owner of an [`Ifma`].
macro_rules! instruction {
    ($_proof:ident, $call:expr) => {{
        let Ifma(()) = $_proof;
        // SAFETY: these intrinsics of numbers in registers ask for nothing but a processor that has them, of which an `Ifma`
        // is the proof.
        unsafe { $call }
    }};
}

impl Lanes for Ifma {
    type Vector = __m512i;
    type Mask = __mmask8;
    type Stored = Eight;

    #[inline(always)]
    fn enter<W: Work<Self>>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx512f,avx512ifma")]
        #[inline(never)]
        fn entered<W: Work<Ifma>>(lanes: Ifma, work: W) -> W::Output {
            work.work(lanes)
        }
        // SAFETY: an `Ifma` is the proof that the processor has the features that the function is compiled for.
        unsafe { entered(self, work) }
    }

    #[inline(always)]
    fn load(self, stored: &Eight) -> __m512i {
        // SAFETY: an `Ifma` is the proof of the instruction; the reference is to 64 octets, which `Eight` aligns to 64.
        unsafe { _mm512_load_si512(core::ptr::from_ref(stored).cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512i) -> Eight {
        let mut stored = Eight::default();
        // SAFETY: an `Ifma` is the proof of the instruction; the place has 64 octets, which `Eight` aligns to 64.
        unsafe { _mm512_store_si512(core::ptr::from_mut(&mut stored).cast(), vector) };
        stored
    }

    #[inline(always)]
    fn splat(self, value: u64) -> __m512i {
        instruction!(self, _mm512_set1_epi64(value.cast_signed()))
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_add_epi64(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_sub_epi64(a, b))
    }

    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_or_si512(a, b))
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_xor_si512(a, b))
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self, a: __m512i) -> __m512i {
        instruction!(self, _mm512_slli_epi64::<BITS>(a))
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self, a: __m512i) -> __m512i {
        instruction!(self, _mm512_srai_epi64::<BITS>(a))
    }

    #[inline(always)]
    fn shift_right_by(self, a: __m512i, bits: u32) -> __m512i {
        instruction!(self, _mm512_srl_epi64(a, _mm_cvtsi32_si128(bits.cast_signed())))
    }

    #[inline(always)]
    fn shift_left_by(self, a: __m512i, bits: u32) -> __m512i {
        instruction!(self, _mm512_sll_epi64(a, _mm_cvtsi32_si128(bits.cast_signed())))
    }

    #[inline(always)]
    fn add_product_low(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_madd52lo_epu64(sum, a, b))
    }

    #[inline(always)]
    fn add_product_high(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        instruction!(self, _mm512_madd52hi_epu64(sum, a, b))
    }

    #[inline(always)]
    fn equal(self, a: __m512i, b: __m512i) -> __mmask8 {
        instruction!(self, _mm512_cmpeq_epi64_mask(a, b))
    }

    #[inline(always)]
    fn and_mask(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }

    #[inline(always)]
    fn select(self, mask: __mmask8, yes: __m512i, no: __m512i) -> __m512i {
        instruction!(self, _mm512_mask_blend_epi64(mask, no, yes))
    }

    #[inline(always)]
    fn negate_if(self, mask: __mmask8, a: __m512i) -> __m512i {
        instruction!(self, _mm512_mask_sub_epi64(a, mask, _mm512_setzero_si512(), a))
    }

    #[inline(always)]
    fn pick(self, table: &[Eight; 4], index: __m512i) -> __m512i {
        let [a, b, c, d] = table;
        let (a, b, c, d) = (self.load(a), self.load(b), self.load(c), self.load(d));
        let sixteen = self.splat(16);
        instruction!(self, {
            let lower = _mm512_permutex2var_epi64(a, index, b);
            let upper = _mm512_permutex2var_epi64(c, index, d);
            _mm512_mask_blend_epi64(_mm512_test_epi64_mask(index, sixteen), lower, upper)
        })
    }
}
